"""Every tensor that OpenLRM's authors' code computes from a checkpoint in the released format."""

from dataclasses import replace

import pytest
import torch

from ilrm_cli.geometry.cameras import Cameras, unit_rays
from ilrm_cli.geometry.fields import Rays
from ilrm_cli.models.layers.triplane import plane_tokens
from ilrm_cli.models.lrm.openlrm import OpenLrm, OpenLrmField, camera_numbers
from ilrm_cli.models.lrm.published_openlrm import load_openlrm
from ilrm_cli.render.volume import Draws, between_midpoints, march, render_field
from tests.support.field_references import close, reference


@pytest.fixture(scope="module")
def theirs(shared):
    return reference(shared, "openlrm")


@pytest.fixture(scope="module")
def model(shared, theirs):
    told = theirs[1]
    path = shared / "parity/family/openlrm_dev.safetensors"
    config, state = load_openlrm(path, vit_heads=told["enc_heads"], image_px=told["image"])
    model = OpenLrm(config).eval()
    model.load_state_dict(state)
    return model.requires_grad_(False)


@pytest.fixture(scope="module")
def field(model, theirs):
    planes = model.triplane(theirs[0]["image"][None], theirs[0]["source_camera"][None])
    return OpenLrmField(planes, model.decoder, model.config.samples)


def cameras_of(io, told) -> list[Cameras]:
    """Return the regions that were drawn, each a camera of its own."""
    poses = io["render_c2w_blender"] * torch.tensor([1.0, -1, -1, 1])
    full, side = told["res"], told["region"]
    k, anchors = io["render_intrinsics"] * full, io["anchors"].flip(-1)
    return [
        Cameras(poses[[i]], k[[i]][:, [0, 1], [0, 1]], k[[i]][:, :2, 2] - anchors[[i]], side, side) for i in range(2)
    ]


def test_tokens_and_triplane(model, theirs):
    io, found = theirs[0], {}
    keep = lambda name: lambda module, inputs, output: found.update({name: output[0]})  # noqa: E731
    model.vit.register_forward_hook(keep("image_feats"))
    model.camera.register_forward_hook(keep("camera_embedding"))
    model.blocks[0].norm1.register_forward_hook(keep("layer0_modln1"))
    model.norm.register_forward_hook(keep("tokens_final"))
    for number, block in enumerate(model.blocks):
        block.register_forward_hook(keep(f"tokens_layer{number}"))
    planes = model.triplane(io["image"][None], io["source_camera"][None])
    assert len(found) == 6
    for name, tensor in found.items():
        assert close(tensor, io[name]), name
    assert close(planes, io["planes"])
    assert plane_tokens(planes).shape == (3 * 8 * 8, 6)


def test_the_field_at_points(field, theirs):
    io = theirs[0]
    axis = torch.linspace(-1, 1, 7)
    grid = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), -1).reshape(-1, 3)
    for points, sigma, rgb in (("points", "point_sigma", "point_rgb"), (None, "grid_sigma", "grid_rgb")):
        where = grid if points is None else io[points]
        raw = field.decoder(_features(field, where))
        assert close(field.density(raw[:, 0]).view_as(io[sigma]), io[sigma]), "planes are sampled outside, too"
        assert close(field.sampled(where, where)[1].view_as(io[rgb]), io[rgb])


def _features(field, points):
    from ilrm_cli.models.layers.triplane import looked_up
    from ilrm_cli.models.lrm.openlrm import AXES

    return looked_up(field.planes, points, AXES)


def test_the_camera_s_numbers(theirs):
    io, told = theirs
    camera = Cameras(
        torch.cat([io["source_camera"][:12].view(3, 4), torch.tensor([[0.0, 0, 0, 1]])])[None]
        * torch.tensor([1.0, -1, -1, 1]),
        io["source_camera"][None, 12:14] * told["image"],
        io["source_camera"][None, 14:] * told["image"],
        told["image"],
        told["image"],
    )
    assert close(camera_numbers(camera), io["source_camera"])


def test_rays_samples_and_pictures(field, theirs):
    io, told = theirs
    for view, camera in enumerate(cameras_of(io, told)):
        origins, directions = (part.flatten(0, 2) for part in unit_rays(camera))
        assert close(origins, io["ray_origins"][view])
        assert close(directions, io["ray_directions"][view])
        rays, part = Rays(origins, directions), slice(64 * view, 64 * view + 64)
        met = field.span(rays).met
        draws = Draws(io["jitter_stratified"][view, ..., 0], io["u_importance"][part])
        first = replace(field.marching, importance=0)
        alone = OpenLrmField(field.planes, field.decoder, 20)
        alone.marching = first
        coarse = march(alone, rays, draws)
        assert close(coarse.distances[met], io["depths_coarse"][view][met])
        assert close(coarse.weights, io["weights_coarse"][view])
        chosen = between_midpoints(io["depths_coarse"][view], io["weights_coarse"][view], io["u_importance"][part])
        merged = torch.cat([io["depths_coarse"][view], chosen], -1).sort(-1).values
        assert close(merged, io["depths_all"][view])
        points = rays.points(io["depths_all"][view]).flatten(0, 1)
        raw, inside = field.sampled(points, points)[0].view(64, 20), io["raw_sigma_all"][view] > -1e3
        assert close(raw[inside], io["raw_sigma_all"][view][inside])
        found = march(field, rays, draws)
        assert close(found.weights, io["weights_all"][view], 1e-4)
        drawn = render_field(field, camera, background=io["background"][view].expand(3), draws=draws)
        assert close(drawn.color[0], io["images_rgb"][view])
        assert close(drawn.alpha, io["images_weight"][view])
        seen = found.alpha > 1e-3
        depth = (found.depth / found.alpha)[seen]
        assert close(depth, io["images_depth"][view].flatten()[seen])
