from pathlib import Path

import numpy as np
import pytest

from ilrm_cli.capture.pose_card import angle_of_view_deg, pose_card, relief_of
from ilrm_cli.capture.poses.overlap import overlap_matrix
from ilrm_cli.geometry.cameras import Lens
from ilrm_cli.geometry.views import Capture, PosedPhoto, TrainingRange
from tests.support.photographed import cameras_on_an_arc

NORMAL = Lens("PINHOLE", (100.0, 100.0, 100.0, 50.0), 200, 100)  # 90 degrees
RNG = np.random.default_rng(0)
ROOM = np.array([0, 0, 4.0]) + RNG.uniform(-1, 1, (400, 3))


def capture_of(poses: list[np.ndarray], points: np.ndarray = ROOM, lens: Lens = NORMAL, origin: str = "sfm") -> Capture:
    photos = tuple(PosedPhoto(f"p{i}", Path(f"p{i}"), lens, pose, points) for i, pose in enumerate(poses))
    return Capture(photos, len(photos) + 2, origin, points, error_px=0.6, advice=("take more.",))


# Known values


def test_figures_of_an_arc():
    """Radius 4 over 40 degrees around the middle of the points: the chord is 2 * 4 * sin(20 degrees)."""
    card = pose_card(capture_of(cameras_on_an_arc(5)))
    assert (card.registered, card.found, card.error_px, card.points_per_photo) == (5, 7, 0.6, 400)
    assert card.baseline_to_depth == pytest.approx(8 * np.sin(np.radians(20)) / 4, rel=0.08)
    assert card.step_deg == pytest.approx(10, rel=0.1)
    assert card.fov_deg == pytest.approx((90, 90))
    assert card.unlike_training == ()
    assert card.advice == ("take more.",)
    assert card.overlap is not None
    assert card.overlap[0] == (0, 400, 400, 400, 400)


def test_shared_points_are_counted():
    found = [ROOM[:10], ROOM[5:30], ROOM[100:103]]
    np.testing.assert_array_equal(overlap_matrix(found), [[0, 5, 0], [5, 0, 0], [0, 0, 0]])


def test_relief_ignores_stray_points():
    flat = RNG.uniform(-1, 1, (1000, 3)) * (1, 1, 0.01)
    assert relief_of(flat) == pytest.approx(0.0075, rel=0.1)
    flat[:50] += (0, 0, 30.0)
    assert relief_of(flat) == pytest.approx(0.0079, rel=0.1)


def test_angle_of_view_with_and_without_distortion():
    assert angle_of_view_deg(NORMAL) == pytest.approx(90)
    assert angle_of_view_deg(Lens("PINHOLE", (100.0, 100.0, 50.0, 100.0), 100, 200)) == pytest.approx(90)
    fisheye = Lens("OPENCV_FISHEYE", (100.0, 100.0, 100.0, 50.0, 0.0, 0.0, 0.0, 0.0), 200, 100)
    assert angle_of_view_deg(fisheye) == pytest.approx(np.degrees(2.0))  # equidistant: angle = radius / focal length


def test_where_the_edges_have_no_rays_the_angle_is_that_of_the_undistorted_photo():
    """The distorted radius r - 0.2 r^3 is largest at r = 1.29, which the corners of the undistorted photo reach."""
    lens = Lens("SIMPLE_RADIAL", (232.0, 240.0, 160.0, -0.2), 480, 320)
    half = np.sqrt(1 / 0.6) * 480 / np.hypot(480, 320)
    assert angle_of_view_deg(lens) == pytest.approx(2 * np.degrees(np.arctan(half)), rel=0.01)
    assert pose_card(capture_of(cameras_on_an_arc(3), lens=lens)).fov_deg[0] == angle_of_view_deg(lens)


def test_what_the_common_shape_cuts_off():
    """Three photos are square, so the wide one keeps the middle half: 90 degrees become 2 atan(1/2)."""
    capture = capture_of(cameras_on_an_arc(3), lens=Lens("PINHOLE", (100.0, 100.0, 50.0, 50.0), 100, 100))
    wide = capture_of(cameras_on_an_arc(1)).photos
    card = pose_card(Capture((*capture.photos, *wide), 4, "sfm", ROOM))
    assert card.fov_deg[1] == pytest.approx(90)
    assert card.fov_kept_deg == pytest.approx((np.degrees(2 * np.arctan(0.5)),) * 2)


# Warnings and notes


def test_a_still_camera_and_a_plane_are_said():
    still = pose_card(
        capture_of(cameras_on_an_arc(4, spread_deg=1)), TrainingRange((2, 12), baseline_to_depth=(0.04, 2))
    )
    assert any("hardly moved" in sentence for sentence in still.advice)
    assert any("baseline" in clause for clause in still.unlike_training)
    plane = pose_card(capture_of(cameras_on_an_arc(4), ROOM * (1, 1, 0.001) + (0, 0, 4)))
    assert any("in a plane" in sentence for sentence in plane.advice)


def test_photos_far_apart_are_said():
    assert any(
        "in between" in sentence for sentence in pose_card(capture_of(cameras_on_an_arc(3, spread_deg=80))).advice
    )


def test_distance_from_training():
    card = pose_card(capture_of(cameras_on_an_arc(4)), TrainingRange(views=(6, 8), fov_deg=(35, 80)))
    assert card.unlike_training == (
        "4 photos; the model was trained for 6 to 8",
        "a field of view of 90 degrees; the model was trained with 35 to 80",
    )
    assert pose_card(capture_of(cameras_on_an_arc(4)), TrainingRange(views=(2, 2))).unlike_training == ()
    assert pose_card(capture_of(cameras_on_an_arc(4))).unlike_training == ()


def test_without_points_nothing_is_made_up():
    photos = tuple(PosedPhoto(f"p{i}", Path(f"p{i}"), NORMAL, pose) for i, pose in enumerate(cameras_on_an_arc(3)))
    card = pose_card(Capture(photos, 3, "transforms", np.zeros((0, 3))))
    assert (card.error_px, card.points_per_photo, card.overlap) == (None, None, None)
    assert (card.baseline_to_depth, card.step_deg, card.relief) == (None, None, None)
    assert card.advice == ()


def test_groups_of_a_model_that_share_no_point_are_said():
    """A COLMAP model of two halves: the advice comes from its points."""
    poses = cameras_on_an_arc(6)
    found = [ROOM[:200]] * 3 + [ROOM[200:]] * 3
    photos = tuple(
        PosedPhoto(f"p{i}", Path(f"p{i}"), NORMAL, pose, points)
        for i, (pose, points) in enumerate(zip(poses, found, strict=True))
    )
    card = pose_card(Capture(photos, 6, "colmap", ROOM))
    assert any("between p2 and p3" in sentence for sentence in card.advice)
