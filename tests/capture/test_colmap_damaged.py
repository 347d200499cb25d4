"""COLMAP models that are cut short, damaged or odd: one sentence at once, or what they mean."""

from pathlib import Path

import numpy as np
import pycolmap
import pytest

from ilrm_cli.capture.poses.colmap import read_model
from ilrm_cli.capture.poses.pose_set import Pose, PoseSet, sound
from ilrm_cli.geometry.cameras import Lens
from ilrm_cli.runtime.errors import InputError
from tests.capture.test_colmap import small_model, write_by_hand

PARTS = ("cameras.bin", "rigs.bin", "frames.bin", "images.bin", "points3D.bin")
CAMERA = "1 PINHOLE 640 480 500 500 320 240"
LENS = Lens("PINHOLE", (500.0, 500.0, 320.0, 240.0), 640, 480)


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """Return a model with rigs of two cameras, so that all records occur."""
    options = pycolmap.SyntheticDatasetOptions()
    options.num_rigs, options.num_cameras_per_rig, options.num_frames_per_rig, options.num_points3D = 1, 2, 2, 5
    folder = tmp_path_factory.mktemp("whole")
    pycolmap.synthesize_dataset(options).write_binary(folder)
    assert len(read_model(folder).poses) == 4
    return folder


@pytest.mark.parametrize("part", PARTS)
def test_every_length_but_the_right_one_is_refused(tmp_path, whole, part):
    for file in PARTS:
        (tmp_path / file).write_bytes((whole / file).read_bytes())
    content = (tmp_path / part).read_bytes()
    lengths = [*range(min(len(content), 400)), *range(400, len(content), 97), len(content) - 1]
    for length in lengths:
        (tmp_path / part).write_bytes(content[:length])
        with pytest.raises(InputError, match="is damaged"):
            read_model(tmp_path)
    (tmp_path / part).write_bytes(content + b"\0")
    with pytest.raises(InputError, match="is damaged"):
        read_model(tmp_path)


@pytest.mark.parametrize("part", PARTS)
def test_absurd_counts_are_refused_at_once(tmp_path, whole, part):
    for file in PARTS:
        (tmp_path / file).write_bytes((whole / file).read_bytes())
    content = bytearray((tmp_path / part).read_bytes())
    for count in (2**62, 2**32, 10**6):
        content[:8] = count.to_bytes(8, "little")
        (tmp_path / part).write_bytes(content)
        with pytest.raises(InputError, match="is damaged"):
            read_model(tmp_path)


@pytest.mark.parametrize(("part", "field"), [("rigs.txt", 1), ("frames.txt", 9)])
def test_absurd_counts_in_text(tmp_path, part, field):
    small_model().write_text(tmp_path)
    lines = [line.split() for line in (tmp_path / part).read_text().splitlines()]
    next(fields for fields in lines if fields[0] != "#")[field] = str(2**32 - 1)
    (tmp_path / part).write_text("\n".join(" ".join(fields) for fields in lines) + "\n")
    with pytest.raises(InputError, match="is damaged"):
        read_model(tmp_path)


def test_points_that_are_missing_are_not_seen(tmp_path):
    model = small_model()
    model.write_text(tmp_path)
    lines = (tmp_path / "points3D.txt").read_text().splitlines()
    (tmp_path / "points3D.txt").write_text("\n".join(lines[:-3]) + "\n")
    read = read_model(tmp_path)
    assert len(read.points) == len(model.points3D) - 3
    assert max(len(pose.points) for pose in read.poses) <= len(model.points3D) - 3


@pytest.mark.parametrize("suffix", ["bin", "txt"])
def test_names_in_latin_1(tmp_path, suffix):
    model = small_model(images=3)
    image = next(iter(model.images.values()))
    image.name = "cafQ.jpg"
    (model.write_binary if suffix == "bin" else model.write_text)(tmp_path)
    file = tmp_path / f"images.{suffix}"
    file.write_bytes(file.read_bytes().replace(b"cafQ.jpg", b"caf\xe9.jpg"))
    assert "café.jpg" in [pose.name for pose in read_model(tmp_path).poses]


def test_a_stray_line_is_damage(tmp_path):
    write_by_hand(tmp_path, [CAMERA], ["1 1 0 0 0 0 0 0 1 a.jpg"])
    with (tmp_path / "images.txt").open("a") as file:
        file.write("7 stray\n")
    with pytest.raises(InputError, match="is damaged"):
        read_model(tmp_path)


def test_rotations_of_another_length_are_normalised_and_told_of(tmp_path):
    half = np.sqrt(0.5)
    for factor in (1.0, 2.0, 0.1):
        line = f"1 {factor * half} 0 {factor * half} 0 -3 -2 1 1 a.jpg"
        read = read_model(write_by_hand(tmp_path / f"{factor}", [CAMERA], [line]))
        expected = np.array([[0.0, 0, -1, 1], [0, 1, 0, 2], [1, 0, 0, 3], [0, 0, 0, 1]])
        np.testing.assert_allclose(read.poses[0].world_from_cam, expected, atol=1e-12)
        assert bool(read.warnings) == (factor != 1.0)


@pytest.mark.parametrize("pose", ["0 0 0 0 1 2 3", "nan 0 0 0 1 2 3", "inf 0 0 0 1 2 3", "1 0 0 0 1 nan 3"])
def test_poses_that_are_none(tmp_path, pose):
    write_by_hand(tmp_path, [CAMERA], [f"1 {pose} 1 a.jpg"])
    with pytest.raises(InputError, match=r"is not finite|is damaged"):
        read_model(tmp_path)


@pytest.mark.parametrize(
    "camera",
    [
        "PINHOLE 640 480 -1 500 320 240",
        "PINHOLE 640 480 1e-9 500 320 240",
        "PINHOLE 640 480 1e30 1e30 320 240",
        "PINHOLE 640 480 nan 500 320 240",
        "PINHOLE 640 480 500 500 1e30 240",
        "PINHOLE 0 480 500 500 320 240",
        "PINHOLE 640 4800000000 500 500 320 240",
    ],
)
def test_cameras_that_are_none(tmp_path, camera):
    write_by_hand(tmp_path, [f"1 {camera}"], ["1 1 0 0 0 0 0 0 1 a.jpg"])
    with pytest.raises(InputError, match=r"camera|damaged"):
        read_model(tmp_path)


# What every source of poses must fulfil


def pose_set(matrix: np.ndarray, points: np.ndarray) -> PoseSet:
    return PoseSet((Pose("a.jpg", LENS, np.eye(4), points), Pose("b.jpg", LENS, matrix, points)), points)


@pytest.mark.parametrize(
    "matrix",
    [
        np.diag([-1.0, 1, 1, 1]),
        np.diag([1.0, 1, 0, 1]),
        np.full((4, 4), np.nan),
        np.array([[1.0, 0, 0, 1e15], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]),
    ],
)
def test_a_pose_is_a_rotation_and_a_position(matrix):
    with pytest.raises(InputError, match=r"the pose of b\.jpg"):
        sound(pose_set(matrix, np.zeros((0, 3))), "poses.txt")


def test_points_nowhere_are_left_out_and_told_of():
    points = np.array([[1.0, 2, 3], [np.nan, 0, 0], [0, np.inf, 0], [0, 0, 1e20]])
    kept = sound(pose_set(np.eye(4), points), "poses.txt")
    np.testing.assert_array_equal(kept.points, points[:1])
    np.testing.assert_array_equal(kept.poses[0].points, points[:1])
    assert kept.warnings == ("3 points of poses.txt are not finite or absurdly far away and are left out.",)
