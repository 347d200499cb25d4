"""Choice of input photos, and reasons against the others, on photos of a textured corner."""

import dataclasses

import numpy as np
import pytest
from PIL import Image, ImageFilter

from ilrm_cli.geometry.cameras import Lens
from ilrm_cli.geometry.views import Capture, LeftOut, PosedPhoto
from ilrm_cli.models.ilrm.config import PRESETS, IlrmConfig
from ilrm_cli.models.ilrm.contract import capabilities_of
from ilrm_cli.pipeline import select_inputs as selection_stage
from ilrm_cli.pipeline.choose_views import Choice, Swap
from ilrm_cli.pipeline.select_inputs import (
    FITTED,
    JUDGES,
    MAX_SCORED,
    auto_views,
    default_views,
    select_for_fit,
    select_photos,
)
from ilrm_cli.pipeline.settings import DEFAULT_VIEWS
from ilrm_cli.runtime.errors import InputError
from tests.support.photographed import FOCAL, HEIGHT, WIDTH, cameras_on_an_arc, save_photos

LENS = Lens("SIMPLE_PINHOLE", (FOCAL, WIDTH / 2, HEIGHT / 2), WIDTH, HEIGHT)
POINTS = np.array([[0.0, 0.0, 4.0], [0.5, 0.5, 4.5], [-0.5, 0.0, 3.5]])
CAN = capabilities_of(IlrmConfig(max_views=12, long_side_px=128))


def capture(folder, count: int, *, spread_deg: float = 40.0, points: np.ndarray | None = POINTS) -> Capture:
    poses = cameras_on_an_arc(count, spread_deg=spread_deg)
    paths = [folder / f"photo_{i:03d}.png" for i in range(count)]
    photos = tuple(PosedPhoto(p.name, p, LENS, pose, points) for p, pose in zip(paths, poses, strict=True))
    return Capture(photos, count + 1, "colmap", POINTS, left_out=(LeftOut("broken.jpg", "it is cut short"),))


@pytest.mark.parametrize(
    ("config", "photos", "expected"),
    [
        (IlrmConfig(), 100, DEFAULT_VIEWS),
        (IlrmConfig(), 8, 7),
        (IlrmConfig(), 4, 4),
        (PRESETS["re10k"].config, 100, 2),
        (dataclasses.replace(IlrmConfig(), min_views=16), 100, 16),
    ],
)
def test_default_views_follow_the_model_and_the_photos(config, photos, expected):
    assert default_views(capabilities_of(config), photos) == expected


def test_every_photo_that_is_no_input_has_its_reason(tmp_path):
    save_photos(tmp_path, cameras_on_an_arc(7))
    selection = select_photos(capture(tmp_path, 7), 4, CAN, 128)
    names = {photo.name for photo in selection.used} | {photo.name for photo in selection.reasons}
    assert len(names) == 8
    assert len(selection.used) + len(selection.reasons) == 8
    assert selection.left_out == (LeftOut("broken.jpg", "it is cut short"),)
    assert {photo.reason for photo in selection.reasons[1:]} == {"it is held out to score the result"}
    assert selection.scored == selection.held_out


def test_a_blurred_input_gives_way_to_its_neighbour_and_is_not_scored(tmp_path):
    poses = cameras_on_an_arc(7)
    twins = sorted([*poses, *(_beside(pose) for pose in poses)], key=lambda pose: float(pose[0, 3]))
    paths = save_photos(tmp_path, twins)
    photos = tuple(PosedPhoto(p.name, p, LENS, pose, POINTS) for p, pose in zip(paths, twins, strict=True))
    twice = Capture(photos, len(photos), "colmap", POINTS)
    bad = select_photos(twice, 4, CAN, 128).used[1]
    Image.open(bad.path).filter(ImageFilter.GaussianBlur(4)).save(bad.path)
    selection = select_photos(twice, 4, CAN, 128)
    (reason,) = [photo.reason for photo in selection.left_out if photo.name == bad.name]
    assert reason.startswith("it is blurred: photo_")
    assert reason.endswith(" beside it is sharper")
    assert bad.name not in {photo.name for photo in (*selection.used, *selection.held_out)}


def test_a_photo_that_replaced_another_and_was_replaced_is_not_named_as_input(tmp_path, monkeypatch):
    choice = Choice((0, 3, 5), (Swap(1, 2, "alone"), Swap(2, 3, "blurred")))
    monkeypatch.setattr(selection_stage, "choose_views", lambda *_, **__: choice)
    reasons = {photo.name: photo.reason for photo in select_photos(capture(tmp_path, 7), 3, CAN, 128).reasons}
    assert reasons["photo_001.png"].endswith("other inputs: photo_003.png takes its place")
    assert reasons["photo_002.png"] == "it is blurred: photo_003.png beside it is sharper"


def test_of_very_many_photos_not_all_are_scored(tmp_path):
    many = capture(tmp_path, 3 * MAX_SCORED, points=None)
    alike = dataclasses.replace(
        many, photos=tuple(dataclasses.replace(p, path=tmp_path / "a.png") for p in many.photos)
    )
    Image.new("RGB", (32, 24)).save(tmp_path / "a.png")
    selection = select_photos(alike, 8, CAN, 32)
    reasons = [photo.reason for photo in selection.left_out]
    assert len(reasons) == 1 + 3 * MAX_SCORED - 8 - len(selection.scored), "the broken one, and all that do not score"
    assert len(selection.scored) <= MAX_SCORED < len(selection.held_out)
    assert reasons.count(
        f"8 inputs and {len(selection.scored)} held-out photos are enough"
    ) == 3 * MAX_SCORED - 8 - len(selection.scored)


def test_two_photos_at_least_are_not_held_out(tmp_path):
    save_photos(tmp_path, cameras_on_an_arc(3))
    with pytest.raises(InputError, match="--hold-out 2 leaves 1 of 3 photos; pass --hold-out 3 or more, or 0"):
        select_for_fit(capture(tmp_path, 3), None, CAN, 128, 2)


@pytest.mark.parametrize(
    ("photos", "hold_out", "held"),
    [
        (9, 8, [0, 8]),
        (9, 3, [0, 3, 6]),
        (9, 0, []),
        (8, 8, None),  # no photo by name: those that are no inputs
    ],
)
def test_a_scene_is_fitted_to_all_but_every_nth_photo(tmp_path, photos, hold_out, held):
    save_photos(tmp_path, cameras_on_an_arc(photos))
    selection = select_for_fit(capture(tmp_path, photos), 4, CAN, 128, hold_out)
    inputs, fitted, scored = (
        {int(photo.name[6:9]) for photo in some} for some in (selection.used, selection.fitted, selection.scored)
    )
    assert len(inputs) == 4
    assert scored == (set(range(photos)) - inputs if held is None else set(held))
    assert fitted == set(range(photos)) - scored
    assert inputs <= fitted
    assert {photo.name for photo in selection.only_fitted} == {f"photo_{i:03d}.png" for i in fitted - inputs}
    assert selection.left_out == (LeftOut("broken.jpg", "it is cut short"),)
    reasons = {photo.name: photo.reason for photo in selection.reasons}
    assert reasons == {
        "broken.jpg": "it is cut short",
        **{f"photo_{i:03d}.png": FITTED for i in fitted - inputs},
        **{f"photo_{i:03d}.png": JUDGES for i in scored},
    }


def test_more_inputs_than_are_not_held_out_are_refused_with_the_remedy(tmp_path):
    save_photos(tmp_path, cameras_on_an_arc(9))
    with pytest.raises(InputError, match=r"--views 8 is more than the 7 .+ ask for 7 or fewer, or pass --hold-out 0"):
        select_for_fit(capture(tmp_path, 9), 8, CAN, 128, 8)
    with pytest.raises(InputError, match="--views 10 is more than the 7 photos that have a pose"):
        select_for_fit(capture(tmp_path, 9), 10, CAN, 128, 8)


@pytest.mark.parametrize(
    ("photos", "spread_deg", "can", "expected"),
    [
        (40, 10.0, CAN, 8),  # close together: the usual number shows all
        (40, 340.0, CAN, 12),  # far apart: as many as the model knows
        (40, 340.0, capabilities_of(IlrmConfig(max_views=32)), 16),  # and no more than is bearable
        (12, 340.0, CAN, 9),  # a quarter stays held out
        (8, 340.0, CAN, 7),
        (4, 340.0, CAN, 4),
        (40, 340.0, capabilities_of(IlrmConfig(max_views=2)), 2),
    ],
)
def test_how_many_inputs_follows_coverage_the_model_and_the_photos(tmp_path, photos, spread_deg, can, expected):
    assert auto_views(capture(tmp_path, photos, spread_deg=spread_deg), can) == expected


def _beside(pose: np.ndarray) -> np.ndarray:
    moved = pose.copy()
    moved[:3, 3] += 0.01 * pose[:3, 0]
    return moved
