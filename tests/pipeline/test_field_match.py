"""Fields kept in files: restored by their architecture, they draw what the network's own field drew."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ilrm_cli.geometry.fields import PlacedField
from ilrm_cli.geometry.transforms import Similarity
from ilrm_cli.models.checkpoint import architecture_of, restored_field, stored_field
from ilrm_cli.models.registry import ARCHITECTURES, FIELDS
from ilrm_cli.pipeline.field_match import match_of_file, placed, require_field
from ilrm_cli.pipeline.settings import Settings
from ilrm_cli.render.volume import draw, render_field
from ilrm_cli.runtime.errors import Damage, InputError
from ilrm_cli.scene.checks import FIELD
from ilrm_cli.scene.files import decode_scene, encode_scene
from tests.support.small_fields import NAMES, PLACE, field_file, photos, small_field

CPU = torch.device("cpu")


@pytest.mark.parametrize("name", NAMES)
def test_a_restored_field_draws_the_same_bits(name):
    network, field = small_field(name)
    cameras = photos(network).cameras
    restored = restored_field(stored_field(network, field))
    before, after = render_field(field, cameras), render_field(restored, cameras)
    assert float(before.alpha.mean()) > 0.1  # it shows something
    for value in ("color", "alpha", "depth"):
        assert torch.equal(getattr(before, value), getattr(after, value))


@pytest.mark.parametrize("name", NAMES)
def test_a_field_is_drawn_where_its_file_places_it(name, tmp_path):
    (tmp_path / "a.ilrm").write_bytes(encode_scene(field_file(name), FIELD))
    network, field = small_field(name)
    cameras = photos(network).cameras
    shown = placed(tmp_path / "a.ilrm", decode_scene(tmp_path / "a.ilrm").field, CPU)
    there = cameras.moved(PLACE.poses(cameras.world_from_cam.double()))
    own, moved = render_field(field, cameras), draw(shown, there)
    torch.testing.assert_close(moved.color, own.color, atol=2e-3, rtol=0)
    torch.testing.assert_close(moved.depth, PLACE.scale * own.depth, atol=0.1, rtol=0.01)
    dark = draw(shown, there, background=torch.zeros(3))
    torch.testing.assert_close(dark.color + 1 - dark.alpha[:, None], moved.color, atol=1e-4, rtol=0)


@pytest.mark.parametrize("name", NAMES)
def test_the_gaussians_of_a_file_are_compared_with_its_field(name, tmp_path):
    (tmp_path / "a.ilrm").write_bytes(encode_scene(field_file(name), FIELD))
    match = match_of_file(tmp_path / "a.ilrm", CPU)
    assert match["views"] == 4
    assert 5 < match["psnr"] < 60
    (tmp_path / "b.ply").write_bytes(encode_scene(field_file(name), ".ply"))
    assert match_of_file(tmp_path / "b.ply", CPU) is None


@pytest.mark.parametrize(
    ("name", "part", "tensor"),
    [
        ("triposr", "planes", torch.zeros(3, 4, 8, 7)),
        ("triposr", "decoder.layers.0.weight", torch.zeros(2, 2)),
        ("triposr", "decoder.further", torch.zeros(2, 2)),
        ("triposr", "further", torch.zeros(2, 2)),
        ("openlrm", "planes", torch.zeros(3, 4, 8)),
        ("openlrm", "decoder.0.bias", torch.zeros(3)),
        ("pixelnerf", "latent", torch.zeros(0, 24, 16, 16)),
        ("pixelnerf", "latent", torch.zeros(2, 23, 16, 16)),
        ("pixelnerf", "latent", torch.zeros(3)),
        ("pixelnerf", "focal_px", torch.zeros(2, 2)),
        ("pixelnerf", "size_px", torch.full((2,), 1e30)),
        ("pixelnerf", "bounds", torch.tensor([2.0, 1.0])),
        ("pixelnerf", "fine.lin_out.weight", torch.zeros(1)),
    ],
)
def test_parts_of_another_network_are_refused(name, part, tensor):
    kept = field_file(name).field
    other = replace(kept, stored=replace(kept.stored, parts={**kept.stored.parts, part: tensor}))
    with pytest.raises(InputError, match="holds a field that cannot be drawn") as caught:
        placed(Path("a.ilrm"), other, CPU)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("change", [{"architecture": "ilrm"}, {"architecture": "x"}, {"config": {"samples": -1}}])
def test_what_no_architecture_draws_is_refused(change):
    stored = replace(field_file("triposr").field.stored, **change)
    with pytest.raises(Damage):
        restored_field(stored)
    with pytest.raises(Damage):
        restored_field(replace(stored, architecture="triposr", config={"unknown": 3}))


def test_every_architecture_of_fields_restores_them_and_no_other():
    assert {name for name in ARCHITECTURES if architecture_of(name).field_of is not None} == FIELDS


def test_a_placed_field_is_what_scores_and_films_draw():
    network, field = small_field("triposr")
    cameras = photos(network).cameras
    assert torch.equal(
        draw(PlacedField(field, Similarity.identity()), cameras).color, render_field(field, cameras).color
    )


@pytest.mark.parametrize(
    ("settings", "option"),
    [
        (Settings(), "--quality standard"),
        (Settings(quality="high"), "--quality high"),
        (Settings(refine=5), "--refine 5"),
        (Settings(quality="draft", confidence=True), "--confidence"),
        (Settings(quality="draft", prune=True), "--prune"),
    ],
)
def test_what_only_gaussians_have_is_refused(settings, option):
    network, _ = small_field("triposr")
    with pytest.raises(InputError, match=f"{option} is for Gaussians"):
        require_field(network.capabilities, settings)
    gaussians = replace(network.capabilities, output="gaussians")
    with pytest.raises(InputError, match="predicts Gaussians and no field"):
        require_field(gaussians, Settings(quality="draft"))
