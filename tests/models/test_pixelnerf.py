"""pixelNeRF: every tensor of its authors' code, sizes, and what it is invariant to."""

from dataclasses import replace

import pytest
import torch

from ilrm_cli.geometry.cameras import Cameras, unit_rays
from ilrm_cli.geometry.fields import Rays
from ilrm_cli.geometry.views import Views
from ilrm_cli.models.checkpoint import encode_model, load_model
from ilrm_cli.models.pixelnerf.config import PixelNerfConfig
from ilrm_cli.models.pixelnerf.model import PixelNerf
from ilrm_cli.models.pixelnerf.published import load_pixelnerf
from ilrm_cli.render.volume import Draws, by_parts, gathered, march, stratified
from ilrm_cli.runtime.errors import InputError
from tests.cli.conftest import SAMPLES
from tests.support.command_line import ilrm
from tests.support.field_references import close, reference

PARAMETERS = 28_161_864
TINY = PixelNerfConfig((4, 4, 6, 6, 8), (1, 1, 1, 1), hidden=12, samples=8, importance=4, around_depth=4)


@pytest.fixture(scope="module")
def theirs(shared):
    return reference(shared, "pixelnerf")


def cameras_of(io, poses) -> Cameras:
    """Return cameras of these poses in OpenGL's axes; pixel i of theirs has coordinate i."""
    width, height = io["image"].shape[-1], io["image"].shape[-2]
    focal, center = (io[name].expand(len(poses), 2) for name in ("focal", "center"))
    return Cameras(poses * torch.tensor([1.0, -1, -1, 1]), focal, center + 0.5, width, height)


@pytest.fixture(scope="module")
def field(shared, theirs):
    io, told = theirs
    config, state = load_pixelnerf(shared / "parity/family/pixelnerf_dev.pt", told["use_first_pool"])
    n_fine, around = told["n_fine"], told["n_fine_depth"]
    config = replace(config, samples=told["n_coarse"], importance=n_fine - around, around_depth=around)
    assert (list(config.widths), list(config.depths)) == (told["trunk_widths"], told["trunk_blocks"])
    model = PixelNerf(config).eval()
    model.load_state_dict(state)
    views = Views(io["image"], cameras_of(io, io["c2w_opengl"]))
    return model.requires_grad_(False).fields([views], depth_ranges=[(float(io["near"]), float(io["far"]))])[0]


def test_features_and_field_at_points(field, theirs):
    io = theirs[0]
    assert close(field.latent, io["latent"])
    assert close(field.asked(io["points"], io["directions"]), io["mlp_input"])
    for refined, name in ((False, "field_coarse"), (True, "field_fine")):
        raw, color = field.sampled(io["points"], io["directions"], refined)
        assert close(torch.cat([color, field.density(raw)[:, None]], dim=-1), io[name])


def test_rays_samples_and_pictures(field, theirs):
    io = theirs[0]
    origins, directions = unit_rays(cameras_of(io, io["target_c2w_opengl"][None]))
    row, column = io["pixel_row_col"].unbind(-1)
    rays = Rays(origins[0, row, column], directions[0, row, column])
    span = field.span(rays)
    assert close(torch.cat([rays.origins, rays.directions, span.near[:, None], span.far[:, None]], -1), io["rays"])
    draws = Draws(io["jitter_coarse"], io["u_importance"], io["jitter_importance"], io["normal_depth"])
    assert close(stratified(span.near, span.far, field.marching, io["jitter_coarse"]), io["z_coarse"])
    coarse, fine = gathered(field, rays, io["z_coarse"]), gathered(field, rays, io["z_fine"], refined=True)
    assert march(field, rays, draws).distances.shape == io["z_fine"].shape
    chosen = by_parts(io["weights_coarse"], io["u_importance"], io["jitter_importance"], span.near, span.far)
    around = (io["depth_coarse"][:, None] + 0.01 * io["normal_depth"]).clamp(*field.bounds)
    merged = torch.cat([io["z_coarse"], chosen, around], -1).sort(-1).values
    assert close(merged, io["z_fine"])
    for found, name in ((coarse, "coarse"), (fine, "fine")):
        assert close(found.weights, io[f"weights_{name}"]), name
        assert close(found.depth, io[f"depth_{name}"]), name
        color = found.color + (1 - found.alpha[:, None]) * field.background
        assert close(color, io[f"rgb_{name}"]), name


def test_the_published_size():
    with torch.device("meta"):
        model = PixelNerf(PixelNerfConfig())
    assert sum(parameter.numel() for parameter in model.parameters()) == PARAMETERS
    assert len(model.state_dict()) + 2 == 278


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    model = PixelNerf(TINY).eval().requires_grad_(False)
    for name, parameter in model.named_parameters():
        if "fc_1" in name:
            parameter.normal_(std=0.3)
    return model


def views(count: int = 3) -> Views:
    torch.manual_seed(1)
    axes = torch.linalg.qr(torch.randn(count, 3, 3))[0]
    poses = torch.eye(4).repeat(count, 1, 1)
    poses[:, :3, :3] = axes * torch.linalg.det(axes)[:, None, None]
    poses[:, :3, 3] = -1.3 * poses[:, :3, 2]
    focal, center = torch.full((count, 2), 30.0), torch.full((count, 2), 16.0)
    return Views(torch.rand(count, 3, 32, 32), Cameras(poses, focal, center, 32, 32))


def asked_of(model, scene, points, directions):
    return torch.cat(
        [part.reshape(len(points), -1) for part in model.fields([scene])[0].sampled(points, directions)], 1
    )


def test_the_order_of_views_means_nothing(model):
    points = torch.rand(20, 3) - 0.5
    directions = torch.nn.functional.normalize(torch.randn(20, 3), dim=-1)
    scene = views()
    assert torch.allclose(
        asked_of(model, scene, points, directions), asked_of(model, scene[[2, 0, 1]], points, directions), atol=1e-5
    )


def test_it_follows_a_rotation_of_the_world_and_not_a_translation(model):
    points = torch.rand(20, 3) - 0.5
    directions = torch.nn.functional.normalize(torch.randn(20, 3), dim=-1)
    scene, turn, step = views(), torch.eye(4), torch.eye(4)
    turn[:3, :3] = torch.linalg.qr(torch.randn(3, 3))[0]
    turn[:3, :3] *= torch.linalg.det(turn[:3, :3])
    step[:3, 3] = torch.tensor([0.2, 0.0, 0.1])
    plain = asked_of(model, scene, points, directions)
    turned = replace(scene, cameras=scene.cameras.moved(turn @ scene.cameras.world_from_cam))
    shifted = replace(scene, cameras=scene.cameras.moved(step @ scene.cameras.world_from_cam))
    rotation = turn[:3, :3].T
    assert torch.allclose(plain, asked_of(model, turned, points @ rotation, directions @ rotation), atol=1e-4)
    assert not torch.allclose(plain, asked_of(model, shifted, points + step[:3, 3], directions), atol=1e-3)


def publish(model, path):
    state = model.state_dict()
    named = {name.replace("trunk.", "encoder.model."): tensor for name, tensor in state.items() if "trunk" in name}
    named |= {f"mlp_{name}": tensor for name, tensor in state.items() if "trunk" not in name}
    waves = torch.tensor(model.config.frequencies).repeat_interleave(2)[None, :, None]
    torch.save(named | {"code._freqs": waves, "code._phases": torch.ones_like(waves)}, path)


def test_the_published_format_loads_and_damage_is_refused(model, tmp_path):
    publish(model, tmp_path / "net.pt")
    loaded = load_model(str(tmp_path / "net.pt")).model
    assert (loaded.config.widths, loaded.config.hidden) == (TINY.widths, TINY.hidden)
    assert loaded.capabilities.output == "field"
    tensors = torch.load(tmp_path / "net.pt", weights_only=True)
    torch.save({name: tensor for name, tensor in tensors.items() if "bn1" not in name}, tmp_path / "net.pt")
    with pytest.raises(InputError, match="not a pixelNeRF checkpoint"):
        load_model(str(tmp_path / "net.pt"))


def test_other_depths_and_frequencies_are_those_of_the_file(tmp_path):
    config = replace(TINY, blocks=2, conditioned=1, frequencies=(2.0, 4.0, 8.0, 16.0))
    network = PixelNerf(config).eval().requires_grad_(False)
    publish(network, tmp_path / "net.pt")
    loaded = load_model(str(tmp_path / "net.pt")).model
    told = loaded.config
    assert (told.blocks, told.conditioned, told.frequencies) == (2, 1, (2.0, 4.0, 8.0, 16.0))
    points, directions = torch.rand(4, 3), torch.nn.functional.normalize(torch.randn(4, 3), dim=-1)
    assert torch.equal(*(asked_of(one, views(1), points, directions) for one in (network, loaded)))


def test_posed_photos_become_a_scene(tmp_path, monkeypatch):
    monkeypatch.setattr("ilrm_cli.render.surface.RESOLUTION", 16)
    torch.manual_seed(0)
    network = PixelNerf(replace(TINY, long_side_px=32)).eval().requires_grad_(False)
    network.fine.lin_out.bias[3] = 30.0  # all is solid
    weights, config = encode_model(network)
    (tmp_path / "tiny.safetensors").write_bytes(weights)
    (tmp_path / "tiny.json").write_bytes(config)
    options = ("--model", tmp_path / "tiny.safetensors", "--quality", "draft", "--views", "2", "--no-auto-scale")
    mesh = tmp_path / "mesh.obj"
    outcome = ilrm("reconstruct", SAMPLES / "posed", *options, "-o", tmp_path / "scene.ply", "--mesh", mesh, "--json")
    assert outcome.status == 0, outcome.err
    assert outcome.json["field"]["views"] == 2
    assert len(outcome.json["views"]["used"]) == 2
    assert outcome.json["held_out"]["psnr"] is not None
    assert mesh.stat().st_size > 1000
