"""Every tensor that TripoSR's authors' code computes from a checkpoint in the released format."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from ilrm_cli.geometry.cameras import Cameras, unit_rays
from ilrm_cli.geometry.fields import Rays
from ilrm_cli.models.layers.triplane import plane_tokens
from ilrm_cli.models.lrm.cut_out import centred, composed, object_view, resized, triposr_camera
from ilrm_cli.models.lrm.published_triposr import load_triposr
from ilrm_cli.models.lrm.triposr import TripoSr
from ilrm_cli.render.volume import render_field
from tests.support.field_references import close, reference

EXPONENTIAL = 3e-5  # tolerance of densities


@pytest.fixture(scope="module")
def theirs(shared):
    return reference(shared, "triposr")


@pytest.fixture(scope="module")
def model(shared, theirs):
    config, state = load_triposr(shared / "parity/family/triposr_dev.ckpt", vit_heads=theirs[1]["vit_heads"])
    model = TripoSr(config).eval()
    model.load_state_dict(state)
    return model.requires_grad_(False)


@pytest.fixture(scope="module")
def field(model, theirs):
    return model.fields([object_view(theirs[0]["photo_rgba"].numpy(), triposr_camera(model.config.image_px))])[0]


def orbit(width: int, height: int, fov_deg: float) -> Cameras:
    """Return four cameras around the object, the first where the photo is taken to be from."""
    first = triposr_camera(height)
    turns = torch.eye(4).repeat(4, 1, 1)
    angles = torch.arange(4) * torch.pi / 2
    turns[:, 0, 0] = turns[:, 1, 1] = angles.cos()
    turns[:, 1, 0], turns[:, 0, 1] = angles.sin(), -angles.sin()
    assert fov_deg == 40
    center = torch.tensor([[width / 2, height / 2]]).repeat(4, 1)
    return Cameras(turns @ first.world_from_cam, first.focal_px.repeat(4, 1), center, width, height)


def test_the_photo_becomes_what_the_network_sees(theirs):
    io = theirs[0]
    square = centred(io["photo_rgba"].numpy())
    assert np.array_equal(square, io["foreground_square_rgba"].numpy())
    assert np.array_equal(composed(square), io["composed_rgb"].numpy())
    assert close(resized(composed(square), 80), io["cond_image"].movedim(-1, 0))
    view = object_view(io["photo_rgba"].numpy(), triposr_camera(80))
    assert close(view.images[0], io["cond_image"].movedim(-1, 0))
    assert {0.0, 1.0} <= set(view.empty.unique().tolist())


def test_tokens_and_triplane(model, theirs):
    io, found = theirs[0], {}
    keep = lambda name: lambda module, inputs, output: found.update({name: output[0]})  # noqa: E731
    model.vit.register_forward_hook(keep("image_tokens"))
    for number, block in enumerate(model.blocks):
        block.register_forward_hook(keep(f"tokens_block{number}"))
    planes = model.triplane(io["cond_image"].movedim(-1, 0)[None])
    for name, tensor in found.items():
        assert close(tensor, io[name]), name
    assert len(found) == 3
    assert close(plane_tokens(model.normed()), io["group_norm"])
    made = model.proj_out(found["tokens_block1"]) + plane_tokens(model.planes)
    assert close(made, io["tokens_final"])
    assert close(planes, io["scene_code"])


def test_the_field_at_points(field, theirs):
    io = theirs[0]
    raw, color = field.sampled(io["points"], io["points"])
    assert close(raw, io["point_density_raw"])
    assert close(field.density(raw), io["point_density"], EXPONENTIAL)
    assert close(color, io["point_rgb"])
    axis = torch.linspace(-0.87, 0.87, 8)
    grid = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), -1).reshape(-1, 3)
    assert close(field.density(field.sampled(grid, grid)[0]).view(8, 8, 8), io["grid_density"], EXPONENTIAL)


def test_rays_and_pictures(field, theirs):
    io, told = theirs
    cameras = orbit(told["res"] + told["wider"], told["res"], told["fov"])
    origins, directions = unit_rays(cameras)
    assert close(origins, io["ray_origins"])
    assert close(directions, io["ray_directions"])
    span = field.span(Rays(origins[1].flatten(0, 1), directions[1].flatten(0, 1)))
    assert torch.equal(span.met, io["ray_valid"])
    assert close(span.near, io["ray_near"])
    assert close(span.far, io["ray_far"])
    drawn = render_field(field, cameras)
    assert close(drawn.color.movedim(1, -1), io["images_rgb"])
    half = render_field(field, replace(cameras[[2]], height=told["res"] // 2))  # the upper half
    assert close(half.color[0], drawn.color[2, :, : told["res"] // 2])
