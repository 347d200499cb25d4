"""Features of photos against the epipolar lines of poses, and conventions of angles told by them."""

from pathlib import Path

import numpy as np
import pytest

from ilrm_cli.capture.load import gather
from ilrm_cli.capture.photos.folder import open_folder
from ilrm_cli.capture.poses.agreement import Matches, agreement, matches_of
from ilrm_cli.capture.poses.tools.reality_capture import level_ahead, level_from_behind
from ilrm_cli.geometry.cameras import Lens
from tests.support.photographed import FOCAL, HEIGHT, WIDTH, cameras_on_an_arc, save_photos

LENS = Lens("PINHOLE", (FOCAL, FOCAL, WIDTH / 2, HEIGHT / 2), WIDTH, HEIGHT)
UPRIGHT = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])  # z up, from y down


def test_right_poses_agree_and_wrong_ones_do_not(tmp_path: Path) -> None:
    poses = cameras_on_an_arc(3, spread_deg=16)
    matches = matches_of([(path, LENS) for path in save_photos(tmp_path, poses)])
    assert [(pair.first, pair.second) for pair in matches] == [(0, 1), (1, 2)]
    looking_up = np.eye(4)
    looking_up[:3, :3] = UPRIGHT
    assert agreement(matches, poses) > 0.8
    assert agreement(matches, [pose @ looking_up for pose in poses]) < 0.3


def test_few_matches_tell_nothing() -> None:
    rays = np.ones((10, 3))
    assert agreement([Matches(0, 1, (rays, rays))], [np.eye(4)] * 2) is None
    assert agreement([], []) is None


def level_angles(pose: np.ndarray, ahead: bool) -> list[float]:
    """Return heading of what is ahead or behind, pitch above the horizon and roll, in degrees."""
    right, down, forward = pose[:3, :3].T
    heading = np.arctan2(*(forward[:2] if ahead else -forward[:2]))
    return list(np.degrees([heading, np.arcsin(forward[2]), np.arctan2(right[2], -down[2])]))


@pytest.mark.parametrize("ahead", [True, False])
def test_angles_from_the_horizon(ahead: bool) -> None:
    for pose in cameras_on_an_arc(5):
        turned = UPRIGHT @ pose[:3, :3]
        found = (level_ahead if ahead else level_from_behind)(*level_angles(turned, ahead))
        np.testing.assert_allclose(found, turned, atol=1e-12)


@pytest.mark.parametrize("ahead", [True, False])
def test_photos_tell_how_angles_are_counted(tmp_path: Path, ahead: bool) -> None:
    poses = cameras_on_an_arc(3, spread_deg=16)
    lines = ["#name,x,y,alt,heading,pitch,roll,f"]
    for path, pose in zip(save_photos(tmp_path, poses), poses, strict=True):
        angles = level_angles(UPRIGHT @ pose[:3, :3], ahead)
        lines.append(",".join(map(str, [path.name, *(UPRIGHT @ pose[:3, 3]), *angles, FOCAL * 36 / WIDTH])))
    (tmp_path / "cameras.csv").write_text("\n".join(lines))
    capture = gather(open_folder(tmp_path))
    assert "counts pitch from the horizon" in capture.warnings[0]
    for photo, pose in zip(capture.photos, poses, strict=True):
        np.testing.assert_allclose(photo.world_from_cam[:3], UPRIGHT @ pose[:3], atol=1e-9)


def test_poses_that_fit_in_no_way_are_named(tmp_path: Path) -> None:
    poses = cameras_on_an_arc(3, spread_deg=16)
    lines = ["#name,x,y,alt,heading,pitch,roll,f"]
    for i, (path, pose) in enumerate(zip(save_photos(tmp_path, poses), poses, strict=True)):
        lines.append(",".join(map(str, [path.name, *pose[:3, 3], 100 * i, 30, 70 * i, FOCAL * 36 / WIDTH])))
    (tmp_path / "cameras.csv").write_text("\n".join(lines))
    assert "do not fit the photos" in gather(open_folder(tmp_path)).warnings[0]
