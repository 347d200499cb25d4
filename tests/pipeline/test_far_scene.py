"""Scenes in coordinates of maps: positions relative to a point near them, recorded and read back."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ilrm_cli.geometry import transforms
from ilrm_cli.geometry.frames import origin_nearby
from ilrm_cli.geometry.transforms import Similarity
from ilrm_cli.pipeline import settings
from ilrm_cli.pipeline.export import encode, export
from ilrm_cli.pipeline.reconstruct import Reconstruction
from ilrm_cli.pipeline.recorded import _prepared_as_recorded
from ilrm_cli.pipeline.settings import Settings, check_ranges, check_settings, origin_of
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.scene.files import decode_scene
from ilrm_cli.scene.opened import read_shown_scene
from ilrm_cli.scene.record import cameras_of
from ilrm_cli.scene.start_view import start_view_in
from tests.support.small_reconstruction import reconstruction

UTM = torch.tensor([412_345.678, 5_651_234.5, 123.25], dtype=torch.float64)
TO_UTM = Similarity(1.0, torch.eye(3).double(), UTM)


def far(near: Reconstruction, **chosen: str) -> Reconstruction:
    """Return the reconstruction of the same photos with poses in a map's coordinates."""
    photos = {
        photo.name: replace(photo, world_from_cam=TO_UTM.poses(torch.from_numpy(photo.world_from_cam)).numpy())
        for photo in near.capture.photos
    }
    used = tuple(photos[photo.name] for photo in near.selection.used)
    scored = tuple(photos[photo.name] for photo in near.selection.scored)
    prepared = replace(near.prepared, normalized_from_world=near.prepared.normalized_from_world.after(TO_UTM.inverse()))
    capture = replace(near.capture, photos=tuple(photos.values()))
    selection = replace(near.selection, used=used, scored=scored)
    return replace(
        near, capture=capture, selection=selection, prepared=prepared, settings=replace(near.settings, **chosen)
    )


@pytest.fixture
def near(tmp_path: Path) -> Reconstruction:
    (tmp_path / "photos").mkdir()
    return reconstruction(tmp_path / "photos")


@pytest.mark.parametrize("suffix", [".ply", ".glb", ".splat", ".sog", ".spz", ".compressed.ply"])
def test_positions_are_written_relative_to_a_recorded_point(tmp_path: Path, near: Reconstruction, suffix: str) -> None:
    exported = export(far(near), tmp_path / f"far{suffix}")
    alike = export(near, tmp_path / f"near{suffix}")
    origin = exported.record.origin
    assert origin is not None
    assert all(value == round(value) for value in origin)
    assert (torch.tensor(origin).double() - UTM).abs().max() <= 1
    assert alike.record.origin is None
    assert exported.trip.psnr_db == pytest.approx(alike.trip.psnr_db, abs=3)
    assert any("coordinates of the scene begin at (412345, 5651234, 123)" in said for said in exported.warnings)
    read, expected = (decode_scene(tmp_path / f"{name}{suffix}").gaussians.means.double() for name in ("far", "near"))
    back = read + torch.tensor(origin).double() - UTM
    nearest = torch.cdist(expected, back).min(1).values
    assert nearest.max() < (1e-5 if suffix in (".ply", ".glb", ".splat") else 0.02)


def test_cameras_and_comments_follow(tmp_path: Path, near: Reconstruction) -> None:
    encoded = encode(far(near, frame="up"), tmp_path / "a.ply")
    record, plain = (
        encoded.record,
        encode(replace(near, settings=replace(near.settings, frame="up")), tmp_path / "b.ply"),
    )
    turn, origin = torch.tensor(record.frame_from_input).double(), torch.tensor(record.origin).double()
    ours, theirs = (cameras_of(one, "input").positions for one in (record, plain.record))
    torch.testing.assert_close(ours + turn @ (origin - UTM), theirs, atol=1e-7, rtol=0)
    assert record.up == pytest.approx(plain.record.up)
    assert encoded.file.comments[-2].startswith("origin of the coordinates 412345.0 5651234.0 123.0")
    start = start_view_in(encoded.file.comments)
    assert start is not None
    assert (ours - torch.tensor(start.position).double()).norm(dim=1).min() < 1e-6


def test_a_scene_is_fitted_further_where_it_was(tmp_path: Path, near: Reconstruction) -> None:
    result = far(near)
    record = encode(result, tmp_path / "a.ply").record
    prepared = _prepared_as_recorded(record, result.capture, result.selection, lambda step: None)
    torch.testing.assert_close(
        prepared.inputs.cameras.world_from_cam, result.prepared.inputs.cameras.world_from_cam, atol=1e-5, rtol=0
    )


def test_what_float32_spoils_is_seen_and_said(tmp_path: Path, near: Reconstruction) -> None:
    """The round trip is compared with positions that nothing has rounded."""
    exported = export(far(near, origin="input"), tmp_path / "a.ply")
    assert exported.record.origin is None
    assert exported.trip.psnr_db < 30
    assert any("keep" in said and "precision" in said for said in exported.warnings)


def test_a_chosen_point_is_the_origin(tmp_path: Path, near: Reconstruction) -> None:
    exported = export(far(near, origin="412000,5651000,0"), tmp_path / "a.ply")
    assert exported.record.origin == (412000, 5651000, 0)
    expected = decode_scene(tmp_path / "a.ply").gaussians.means
    assert (expected.median(0).values - torch.tensor([345.678, 234.5, 123.25])).abs().max() < 10
    assert read_shown_scene(tmp_path / "a.ply").origin == (412000, 5651000, 0)


@pytest.mark.parametrize("text", ["", "here", "1,2", "1,2,3,4", "1,2,nan"])
def test_points_that_are_none(text: str) -> None:
    with pytest.raises(InputError, match="neither auto nor input nor a point"):
        check_settings(Settings(origin=text))
    assert origin_of("1,2.5,-3") == (1, 2.5, -3)


@pytest.mark.parametrize("text", ["2e9,0,0", "0,-1e9,0", "0,0,1e300"])
def test_points_beyond_everything_are_refused_at_once(text: str) -> None:
    for check in (check_settings, check_ranges):  # of options, and of records
        with pytest.raises(InputError, match="farther away than anything"):
            check(Settings(origin=text))
    assert origin_of("999999999,0,0") == (999999999, 0, 0)
    assert settings.FARTHEST == transforms.FARTHEST


@pytest.mark.parametrize(
    ("middle", "size", "origin"),
    [
        ((1000.0, 0.0, 0.0), 10.0, None),
        ((2000.0, 0.0, 0.0), 10.0, (2000, 0, 0)),
        ((-2004.0, 126.0, 3.0), 12.0, (-2000, 130, 0)),
        ((0.0, 0.0, 1e5), 0.5, (0, 0, 100000)),
        ((np.inf, 0.0, 0.0), 1.0, None),
    ],
)
def test_far_is_relative_to_the_size(middle: tuple[float, ...], size: float, origin: tuple[float, ...] | None) -> None:
    places = torch.tensor([middle], dtype=torch.float64).repeat(4, 1)
    assert origin_nearby(places, size) == origin
