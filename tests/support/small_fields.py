"""Tiny networks of every model whose scenes are fields, with something solid in them, and such fields as files."""

import torch

from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.geometry.fields import Field
from ilrm_cli.geometry.transforms import Similarity, rotations
from ilrm_cli.geometry.views import Views
from ilrm_cli.models.base import Network
from ilrm_cli.models.checkpoint import stored_field
from ilrm_cli.models.lrm.config import OpenLrmConfig, VitConfig
from ilrm_cli.models.lrm.openlrm import OpenLrm
from ilrm_cli.models.pixelnerf.config import PixelNerfConfig
from ilrm_cli.models.pixelnerf.model import PixelNerf
from ilrm_cli.render.surface import discs, surface_of
from ilrm_cli.scene.formats.scene_file import KeptField, SceneFile
from tests.support.small_triposr import small_triposr

NAMES = ("triposr", "openlrm", "pixelnerf")
CELLS = 12
MODEL = {"name": "tiny.safetensors", "sha256": "0" * 64, "licence": "MIT"}
PLACE = Similarity(
    3.0, rotations(torch.tensor([0.3, -0.5, 0.2], dtype=torch.float64)), torch.tensor([1.0, 2, 3]).double()
)
VIT = VitConfig(16, 1, 2, 32, patch=14, grid=3, norm_eps=1e-6, registers=2, layer_scale=True, pooler=False)


def small_openlrm() -> OpenLrm:
    torch.manual_seed(0)
    model = OpenLrm(OpenLrmConfig(VIT, 28, 12, plane_size=4, width=16, heads=2, layers=1, plane_channels=4, samples=8))
    with torch.no_grad():
        model.upsample.weight.mul_(4)
        for layer in model.decoder[::2]:
            layer.weight.mul_(2)
        model.decoder[-1].bias[0] = 4.0
    return model.eval().requires_grad_(False)


def small_pixelnerf() -> PixelNerf:
    torch.manual_seed(0)
    sizes = {"hidden": 12, "samples": 8, "importance": 4, "around_depth": 4, "long_side_px": 32}
    model = PixelNerf(PixelNerfConfig((4, 4, 6, 6, 8), (1, 1, 1, 1), **sizes)).eval().requires_grad_(False)
    for network in (model.coarse, model.fine):
        for block in network.blocks:
            block.fc_1.weight.normal_(std=0.3)
        network.lin_out.bias[3] = 10.0  # about half of the box is solid
    return model


def small_network(name: str) -> Network:
    return {"triposr": small_triposr, "openlrm": small_openlrm, "pixelnerf": small_pixelnerf}[name]()


def photos(network: Network, count: int = 2) -> Views:
    """Return noise photos from around the origin; one, if the network takes one."""
    side = network.capabilities.long_side_px
    if not network.capabilities.needs_poses:
        count = 1
    generator = torch.Generator().manual_seed(1)
    poses = torch.eye(4).repeat(count, 1, 1)
    poses[:, :3, :3] = rotations(torch.tensor([[0.0, 0.4 * number, 0.1] for number in range(count)]))
    poses[:, :3, 3] = -1.3 * poses[:, :3, 2]
    focal, center = torch.full((count, 2), float(side)), torch.full((count, 2), side / 2)
    images = torch.rand(count, 3, side, side, generator=generator)
    return Views(images, Cameras(poses, focal, center, side, side))


def small_field(name: str) -> tuple[Network, Field]:
    network = small_network(name)
    return network, network.fields([photos(network)])[0]


def field_file(name: str, place: Similarity = PLACE) -> SceneFile:
    """Return the content of a `.ilrm`."""
    network, field = small_field(name)
    surface = surface_of(field, CELLS)
    kept = KeptField(stored_field(network, field), surface, place, MODEL)
    return SceneFile(discs(surface).transformed(place), ("a comment",), field=kept)
