import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ilrm_cli.render.paths.subject import visible_depth
from ilrm_cli.scene.checks import record_path
from ilrm_cli.scene.convert import convert
from ilrm_cli.scene.files import encode_scene
from ilrm_cli.scene.formats.scene_file import SceneFile
from ilrm_cli.scene.opened import WHITE, read_shown_scene
from ilrm_cli.scene.start_view import StartView, start_view_in, start_view_of
from tests.support.captures import TARGET, UP, arc, ball, cameras_at, wall_facing

VIEW = StartView((1.0, -2.0, 0.1), (0.0, 0.0, 5.0), (0.0, -1.0, 0.0), (60.0, 45.0))


def as_up(up: torch.Tensor) -> tuple[float, ...]:
    return tuple(up.tolist())


def test_the_line_is_read_back() -> None:
    assert start_view_in(("made by ilrm", VIEW.comment, "other")) == VIEW
    assert start_view_in(()) is None


def test_its_camera_sees_the_target_in_the_middle_with_up_upwards() -> None:
    camera = VIEW.camera(640)
    assert (camera.width, camera.height) == (640, round(640 * math.tan(math.radians(22.5)) / math.tan(math.pi / 6)))
    assert camera.positions[0].tolist() == list(VIEW.position)
    seen = camera.project(torch.tensor([VIEW.target], dtype=torch.float64))
    torch.testing.assert_close(seen.pixels[0, 0], torch.tensor([camera.width / 2, camera.height / 2]).double())
    assert float(camera.world_from_cam[0, 1, 1]) > 0.9  # y down
    assert camera.width / 2 / float(camera.focal_px[0, 0]) == pytest.approx(math.tan(math.pi / 6))


@pytest.mark.parametrize(
    "changes",
    [
        {"target": VIEW.position},
        {"up": (0.0, 0.0, 0.0)},
        {"up": tuple(b - a for a, b in zip(VIEW.position, VIEW.target, strict=True))},
        {"up": (math.nan, 0.0, 1.0)},
        {"position": (1.0, 2.0)},
        {"fov_deg": (0.0, 45.0)},
        {"fov_deg": (60.0, 180.0)},
    ],
)
def test_what_no_camera_has_is_passed_over(changes: dict[str, tuple[float, ...]]) -> None:
    assert start_view_in((replace(VIEW, **changes).comment,)) is None
    assert start_view_in((VIEW.comment.replace("60", "wide"),)) is None


def test_a_subject_seen_from_around_is_the_target() -> None:
    photos = arc([-60, -20, 10, 70])
    view = start_view_of(photos, ball(), as_up(UP))
    assert view.position in [tuple(position) for position in photos[1:3].positions.tolist()]
    torch.testing.assert_close(torch.tensor(view.target).double(), TARGET, rtol=0, atol=0.05)


def test_before_a_wall_the_target_is_on_it() -> None:
    photos, scene = wall_facing(), ball(torch.tensor([0.25, 0.25, 5.0]))
    view = start_view_of(photos, scene, as_up(UP))
    chosen = [tuple(position) for position in photos.positions.tolist()].index(view.position)
    assert math.dist(view.position, view.target) == pytest.approx(visible_depth(photos[[chosen]], scene))


def test_a_photo_on_its_side_makes_a_view_that_is_high() -> None:
    photos = arc([0.0])
    poses = photos.world_from_cam.clone()
    poses[:, :3, 0], poses[:, :3, 1] = photos.world_from_cam[:, :3, 1], -photos.world_from_cam[:, :3, 0]
    level, high = (start_view_of(cameras, ball(), as_up(UP)) for cameras in (photos, cameras_at(poses)))
    assert high.fov_deg == level.fov_deg[::-1]
    assert high.fov_deg[0] < high.fov_deg[1]


@pytest.mark.parametrize("suffix", [".ply", ".compressed.ply", ".glb"])
def test_a_scene_without_its_record_opens_there_also_once_converted(tmp_path: Path, suffix: str) -> None:
    (tmp_path / "a.ply").write_bytes(encode_scene(SceneFile(ball(), (VIEW.comment,)), ".ply"))
    converted = tmp_path / f"b{suffix}"
    convert(tmp_path / "a.ply", converted)
    assert not record_path(converted).exists()
    shown = read_shown_scene(converted)
    assert (shown.names, shown.background, len(shown.cameras)) == ((), WHITE, 1)
    torch.testing.assert_close(shown.cameras.world_from_cam, VIEW.camera(640).world_from_cam)
    assert shown.target is not None
    assert (shown.up.tolist(), shown.target.tolist()) == (list(VIEW.up), list(VIEW.target))
    assert "seen from the start view that the file tells" in shown.warnings[-1]
