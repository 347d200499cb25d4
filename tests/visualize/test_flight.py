"""How long a film is, and of which shape."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.render.paths.routes import Route, look_at
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.scene.formats.ply import encode_ply
from ilrm_cli.scene.formats.scene_file import SceneFile
from ilrm_cli.scene.opened import read_shown_scene
from ilrm_cli.scene.start_view import StartView
from ilrm_cli.visualize.checks import FilmSettings, check_settings
from ilrm_cli.visualize.film.flight import flight_of, frame_count, panel_size, upright_cameras
from tests.visualize.test_film import MIDDLE, UP, arc_of_cameras, red_ball


def test_the_usual_size_keeps_the_shape_and_is_even() -> None:
    assert panel_size(FilmSettings(), arc_of_cameras()) == (1280, 854)
    assert panel_size(FilmSettings(), replace(arc_of_cameras(), width=300, height=500)) == (768, 1280)


def test_a_size_is_of_the_long_side_or_of_both() -> None:
    high = replace(arc_of_cameras(), width=300, height=500)
    assert panel_size(FilmSettings(size=640), high) == (384, 640)
    assert panel_size(FilmSettings(size=(640, 300)), high) == (640, 300)
    with pytest.raises(InputError, match="--size 8000 is 8000x5334; give 2 to 8192 px on each side, 8192 for all 2"):
        panel_size(FilmSettings(size=8000, side_by_side=True), arc_of_cameras())
    with pytest.raises(InputError, match="--size is 9000; give 2 to 8192 px for the long side"):
        check_settings(FilmSettings(size=9000))


@pytest.mark.parametrize("quarters", [1, 3])
def test_photos_taken_on_their_side_make_a_film_of_their_upright_shape(tmp_path: Path, quarters: int) -> None:
    level = arc_of_cameras()
    turn = torch.linalg.matrix_power(
        torch.tensor([[0.0, -1, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]), quarters
    )
    lying = replace(level, world_from_cam=level.world_from_cam @ turn.double(), center_px=level.center_px + 3)
    (tmp_path / "scene.ply").write_bytes(encode_ply(SceneFile(red_ball())))
    shown = replace(read_shown_scene(tmp_path / "scene.ply"), cameras=lying, recorded_up=UP)
    cameras = upright_cameras(shown)
    assert (cameras.width, cameras.height) == (32, 48)
    torch.testing.assert_close(cameras.world_from_cam, level.world_from_cam)
    point = MIDDLE + torch.tensor([0.3, -0.5, 0.2]).double()
    before, after = (batch.project(point[None]).pixels[:, 0] for batch in (lying, cameras))
    x, y = before.unbind(dim=1)
    expected = [lying.height - y, x] if quarters == 1 else [y, lying.width - x]
    torch.testing.assert_close(after, torch.stack(expected, dim=1))


def test_a_start_view_is_wobbled_around_and_its_target_circled(tmp_path: Path) -> None:
    view = StartView((0.5, -1.0, 0.0), tuple(MIDDLE.tolist()), tuple(UP.tolist()), (50.0, 40.0))
    (tmp_path / "scene.ply").write_bytes(encode_ply(SceneFile(red_ball(), (view.comment,))))
    shown = read_shown_scene(tmp_path / "scene.ply")
    start, radius = shown.cameras.positions[0], math.dist(view.position, view.target)
    usual, round_ = (flight_of(shown, FilmSettings("auto", seconds=1.0, full=full)) for full in (False, True))
    assert (usual.path, round_.path) == ("wobble", "orbit")
    assert float((usual.cameras.positions - start).norm(dim=1).max()) < 0.05 * radius
    torch.testing.assert_close((round_.cameras.positions - MIDDLE).norm(dim=1), torch.full((24,), radius).double())


def test_a_film_lasts_as_long_as_eyes_need() -> None:
    def turn_by(degrees: float) -> Route:
        def at(phases):
            around = (degrees * phases).deg2rad()
            places = MIDDLE + 5 * torch.stack([around.sin(), torch.zeros_like(around), -around.cos()], dim=1)
            return Cameras(look_at(places, MIDDLE, UP), *(torch.ones(len(phases), 2).double(),) * 2, 48, 32)

        return Route(at, closed=False)

    assert frame_count(turn_by(200.0), 5.0, None, 24.0, loop=False) == pytest.approx(240, rel=0.03)
    assert frame_count(turn_by(20.0), 5.0, None, 24.0, loop=False) == 96
    assert frame_count(turn_by(2000.0), 5.0, None, 24.0, loop=False) == 24 * 24
    assert frame_count(turn_by(200.0), 5.0, 2.0, 24.0, loop=False) == 48
