"""OpenLRM v1.1: LRM (Hong et al. 2024) with DINOv2; the camera of the photo modulates every norm of the decoder."""

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float, UInt8
from numpy import ndarray
from torch import Tensor, nn
from torch.nn.functional import gelu, silu, softplus

from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.geometry.fields import Box, Field, Marching
from ilrm_cli.geometry.views import Views
from ilrm_cli.models.base import Architecture, Capabilities, Cost, FieldNetwork, Pass
from ilrm_cli.models.layers.parts import named_weights, shaped, with_weights
from ilrm_cli.models.layers.plain_attention import PlainAttention
from ilrm_cli.models.layers.triplane import Axes, looked_up, token_planes
from ilrm_cli.models.lrm.config import OpenLrmConfig
from ilrm_cli.models.lrm.contract import capabilities_of_object, cost_of_openlrm
from ilrm_cli.models.lrm.cut_out import WHITE, object_view, openlrm_camera
from ilrm_cli.models.lrm.published_openlrm import is_openlrm, load_openlrm
from ilrm_cli.models.lrm.vit import Vit
from ilrm_cli.runtime.progress import Report, Step, ignore

NORM_EPS = 1e-6
CAMERA_NUMBERS = 16  # three rows of a pose, focal lengths and principal point
AXES: Axes = ((0, 1), (0, 2), (2, 1))  # of the three planes: (x, y), (x, z), (z, y)
DECODER_WIDTH, DECODER_LAYERS = 64, 3  # hidden ones
UPSAMPLING = 2  # pixels of a plane per token and direction
OUTSIDE = -1e4  # raw density outside of the box
EDGE = 1e-5  # by which points may lie outside, as rounding leaves those on its faces
SHIFT = 1.0  # subtracted from a raw density before the softplus
WIDENED = 1e-3  # colours may leave [0, 1] by so much, so that black and white are reached (Mip-NeRF)
SOLID = 3.0  # density from which meshes are made
POSITION_STD = 0.02  # of untrained tokens


class ModLN(nn.Module):
    """LN(x) (1 + scale) + shift, with shift and scale from the camera (LRM, section 3.2)."""

    def __init__(self, width: int, camera_width: int):
        super().__init__()
        self.norm = nn.LayerNorm(width, eps=NORM_EPS)
        self.linear = nn.Linear(camera_width, 2 * width)

    def forward(
        self, tokens: Float[Tensor, "batch token dim"], camera: Float[Tensor, "batch camera"]
    ) -> Float[Tensor, "batch token dim"]:
        shift, scale = self.linear(silu(camera))[:, None].chunk(2, dim=-1)
        return self.norm(tokens) * (1 + scale) + shift


class Block(nn.Module):
    """Cross attention of plane tokens on image tokens, their self attention, and an MLP, each after a ModLN."""

    def __init__(self, config: OpenLrmConfig):
        super().__init__()
        width, channels = config.width, config.width // config.heads
        self.norm1, self.norm2, self.norm3 = (ModLN(width, config.camera_width) for _ in range(3))
        self.cross = PlainAttention(width, config.heads, channels, context=config.vit.width, out_bias=False)
        self.own = PlainAttention(width, config.heads, channels, out_bias=False)
        self.fc1, self.fc2 = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(
        self,
        tokens: Float[Tensor, "batch token dim"],
        image_tokens: Float[Tensor, "batch other context"],
        camera: Float[Tensor, "batch camera"],
    ) -> Float[Tensor, "batch token dim"]:
        tokens = tokens + self.cross(self.norm1(tokens, camera), image_tokens)
        tokens = tokens + self.own(self.norm2(tokens, camera))
        return tokens + self.fc2(gelu(self.fc1(self.norm3(tokens, camera))))


class OpenLrmField(Field):
    """The field of a triplane over [-1, 1]^3; colours are the same from all sides. World z is up."""

    surface = SOLID

    def __init__(self, planes: Float[Tensor, "plane channel height width"], decoder: nn.Module, samples: int):
        self.planes, self.decoder = planes, decoder
        self.marching = Marching(samples // 2, importance=samples // 2, per="interval")
        self.background = torch.ones(3).to(planes)
        self.box = Box.cube(1.0, planes)

    def sampled(
        self, points: Float[Tensor, "point 3"], directions: Float[Tensor, "point 3"], refined: bool = False
    ) -> tuple[Float[Tensor, " point"], Float[Tensor, "point 3"]]:
        raw = self.decoder(looked_up(self.planes, points, AXES))
        color = raw[:, 1:].sigmoid() * (1 + 2 * WIDENED) - WIDENED
        inside = self.box.inside(points / (1 + EDGE))
        return torch.where(inside, raw[:, 0], OUTSIDE), color

    def density(self, raw: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
        return softplus(raw - SHIFT)

    def parts(self) -> dict[str, Tensor]:
        return {"planes": self.planes, **named_weights(decoder=self.decoder)}


def decoder_of(config: OpenLrmConfig) -> nn.Sequential:
    """Return the network from features of the three planes to raw density and colour of a point."""
    hidden = [nn.Linear(3 * config.plane_channels, DECODER_WIDTH), nn.ReLU()]
    for _ in range(DECODER_LAYERS - 1):
        hidden += [nn.Linear(DECODER_WIDTH, DECODER_WIDTH), nn.ReLU()]
    return nn.Sequential(*hidden, nn.Linear(DECODER_WIDTH, 4))


def field_of(config: OpenLrmConfig, parts: Mapping[str, Tensor]) -> OpenLrmField:
    """Return the field of these parts. Raises ValueError, RuntimeError or LookupError for others."""
    side = UPSAMPLING * config.plane_size
    planes = shaped(parts["planes"], (3, config.plane_channels, side, side))
    return OpenLrmField(planes, with_weights(lambda: decoder_of(config), parts, "decoder"), config.samples)


class OpenLrm(FieldNetwork):
    """The network.

    photo, cut out, on white -> DINOv2 -> image tokens               [1 + (S/14)², dim]
    the camera it is seen from -> MLP -> camera embedding            [1024]
    learned plane tokens -> L times: cross attention, self attention, MLP, modulated by the camera
    -> norm -> deconvolution -> triplane                              [3, C, 64, 64] -> field
    """

    architecture = "openlrm"

    def __init__(self, config: OpenLrmConfig):
        super().__init__()
        self.config, self.precision = config, torch.float32
        width, camera = config.width, config.camera_width
        self.vit = Vit(config.vit)
        self.camera = nn.Sequential(nn.Linear(CAMERA_NUMBERS, camera), nn.SiLU(), nn.Linear(camera, camera))
        self.tokens = nn.Parameter(torch.zeros(1, 3 * config.plane_size**2, width))
        if not self.tokens.is_meta:
            nn.init.normal_(self.tokens, std=POSITION_STD)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(width, eps=NORM_EPS)
        self.upsample = nn.ConvTranspose2d(width, config.plane_channels, UPSAMPLING, UPSAMPLING)
        self.decoder = decoder_of(config)

    @property
    def capabilities(self) -> Capabilities:
        return capabilities_of_object(self.config)

    def cost(self, asked: Pass) -> Cost:
        return cost_of_openlrm(self.config, asked)

    def view_of(self, cut_out: UInt8[ndarray, "height width 4"]) -> Views:
        return object_view(cut_out, openlrm_camera(self.config.image_px), WHITE)

    def fields(
        self,
        scenes: Sequence[Views],
        report: Report = ignore,
        depth_ranges: Sequence[tuple[float, float]] | None = None,
    ) -> list[Field]:
        planes = [self.triplane(scene.images, camera_numbers(scene.cameras), report) for scene in scenes]
        return [OpenLrmField(one, self.decoder, self.config.samples) for one in planes]

    def triplane(
        self,
        images: Float[Tensor, "1 3 height width"],
        camera: Float[Tensor, "1 number"],
        report: Report = ignore,
    ) -> Float[Tensor, "plane channel rows columns"]:
        """Return the triplane of an object on white, without mean and deviation of colours."""
        with self.products(images.device):
            image_tokens, told = self.vit(images), self.camera(camera)
            tokens: Tensor = self.tokens
            for number, block in enumerate(self.blocks):
                report(Step("layers", number, len(self.blocks)))
                tokens = block(tokens, image_tokens, told)
            return self.upsample(token_planes(self.norm(tokens)[0])).float()


def camera_numbers(cameras: Cameras) -> Float[Tensor, "camera 16"]:
    """Return the rows of the poses in OpenGL's axes, then focal lengths and principal point in units of the image."""
    opengl = cameras.world_from_cam[:, :3] * torch.tensor([1.0, -1, -1, 1]).to(cameras.world_from_cam)
    size = torch.tensor([cameras.width, cameras.height]).to(cameras.focal_px)
    return torch.cat([opengl.flatten(1), cameras.focal_px / size, cameras.center_px / size], dim=1)


ARCHITECTURE = Architecture(
    name=OpenLrm.architecture,
    config=OpenLrmConfig,
    required=(),
    capabilities=capabilities_of_object,
    cost=cost_of_openlrm,
    build=OpenLrm,
    load_published=load_openlrm,
    recognises=is_openlrm,
    field_of=field_of,
)
