import json
import math
from pathlib import Path

import numpy as np
import pycolmap
import pytest

from ilrm_cli.capture.photos.project_models import find_transforms
from ilrm_cli.capture.poses.brown import brown_lens
from ilrm_cli.capture.poses.lenses import colmap_camera
from ilrm_cli.capture.poses.transforms_json import read_transforms
from ilrm_cli.geometry.cameras import Lens
from ilrm_cli.runtime.errors import InputError

SHARED = {"fl_x": 500.0, "fl_y": 510.0, "cx": 321.0, "cy": 239.0, "w": 640, "h": 480}
IDENTITY = np.eye(4).tolist()


def write(folder: Path, content: object, name: str = "transforms.json") -> Path:
    (folder / name).write_text(json.dumps(content))
    return folder / name


def read_one(folder: Path, shared: dict | None = None, frame: dict | None = None):
    """Return the single pose of a file with these keys."""
    whole = {"file_path": "images/a.jpg", "transform_matrix": IDENTITY} | (frame or {})
    content = (SHARED if shared is None else shared) | {"frames": [whole]}
    (pose,) = read_transforms(write(folder, content), size_of=lambda path: (800, 600)).poses
    return pose


# Known values


def test_an_opengl_camera_at_rest_looks_along_minus_z_with_y_up(tmp_path):
    pose = read_one(tmp_path).world_from_cam
    np.testing.assert_array_equal(pose[:3, 0], [1, 0, 0])  # right stays right
    np.testing.assert_array_equal(pose[:3, 1], [0, -1, 0])  # our y axis points down
    np.testing.assert_array_equal(pose[:3, 2], [0, 0, -1])  # our z axis points forward


def test_the_position_and_the_world_frame_are_kept(tmp_path):
    matrix = np.eye(4)
    matrix[:3, :3] = [[0, 0, 1], [1, 0, 0], [0, 1, 0]]  # looks along world -x, up is world z
    matrix[:3, 3] = [4, 5, 6]
    pose = read_one(tmp_path, frame={"transform_matrix": matrix.tolist()}).world_from_cam
    np.testing.assert_allclose(pose[:3], [[0, 0, -1, 4], [1, 0, 0, 5], [0, -1, 0, 6]], atol=1e-12)


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({}, Lens("PINHOLE", (500, 510, 321, 239), 640, 480)),
        ({"k1": 0.1, "p2": 0.2}, Lens("OPENCV", (500, 510, 321, 239, 0.1, 0, 0, 0.2), 640, 480)),
        ({"k1": 0.1, "camera_model": "PINHOLE"}, Lens("PINHOLE", (500, 510, 321, 239), 640, 480)),
        (
            {"k1": 0.1, "k2": 0.2, "k3": 0.3, "k4": 0.4, "camera_model": "OPENCV_FISHEYE"},
            Lens("OPENCV_FISHEYE", (500, 510, 321, 239, 0.1, 0.2, 0.3, 0.4), 640, 480),
        ),
        ({"is_fisheye": True}, Lens("OPENCV_FISHEYE", (500, 510, 321, 239, 0, 0, 0, 0), 640, 480)),
        (
            {"k1": 0.1, "k3": 0.3, "p1": 0.5},
            Lens("FULL_OPENCV", (500, 510, 321, 239, 0.1, 0, 0.5, 0, 0.3, 0, 0, 0), 640, 480),
        ),
    ],
)
def test_camera_models(tmp_path, keys, expected):
    assert read_one(tmp_path, SHARED | keys).lens == expected


def test_k4_divides_only_where_the_lens_is_a_quotient(tmp_path):
    """It multiplies in nerfstudio, which has neither k5 nor k6."""
    powers = {"k1": 0.1, "k2": 0.02, "k3": 0.003, "k4": 0.0004}
    whole = (500, 510, 321, 239, 0.1, 0.02, 0, 0, 0.003, 0.0004, 0, 0)
    assert read_one(tmp_path, SHARED | powers | {"camera_model": "FULL_OPENCV"}).lens.params == whole
    assert read_one(tmp_path, SHARED | powers | {"k6": 0.01}).lens.params == (*whole[:11], 0.01)
    fitted = brown_lens((500, 510), (321, 239), tuple(powers.values()), (0, 0), (640, 480), "here")
    assert read_one(tmp_path, SHARED | powers).lens == fitted


def test_numbers_as_texts(tmp_path):
    """As nerfstudio's reader of RealityCapture copied them from 2023 to 2024."""
    numbers = {"k1": -0.05, "k2": 0.01, "k3": 0.0, "k4": 0.0, "p1": 1e-3, "p2": 0.0}
    texts = {key: str(value) for key, value in (SHARED | numbers).items()}
    matrix = [[str(value) for value in row] for row in IDENTITY]
    told = read_one(tmp_path, {}, texts | {"transform_matrix": matrix})
    expected = read_one(tmp_path, SHARED | numbers)
    assert told.lens == expected.lens
    np.testing.assert_array_equal(told.world_from_cam, expected.world_from_cam)


def test_a_list_of_distortion(tmp_path):
    """In the order of nerfstudio."""
    listed = SHARED | {"distortion_params": [0.1, 0.2, 0.3, 0.0, 0.01, 0.02]}
    keys = dict(zip(("k1", "k2", "k3", "k4", "p1", "p2"), listed["distortion_params"], strict=True))
    assert read_one(tmp_path, listed).lens == read_one(tmp_path, SHARED | keys).lens
    assert read_one(tmp_path, SHARED | {"distortion_params": []}).lens == read_one(tmp_path, SHARED).lens
    of_opencv = {"distortion_params": [0.1, 0.2, 0.01, 0.02, 0.3]}
    assert read_one(tmp_path, SHARED | keys | of_opencv).lens == read_one(tmp_path, SHARED | keys).lens
    with pytest.raises(InputError, match='"distortion_params" are not 6 numbers'):
        read_one(tmp_path, SHARED | of_opencv)


ARIA = [0.4, -0.5, 0.2, 1.1, -1.7, 0.7, 0.001, -0.002, 0.003, -0.0004, 0.0005, -0.0006]  # like those of a device


def test_the_lens_of_project_aria(tmp_path):
    """By the formula that projectaria_tools documents for FISHEYE624."""
    stated = {"camera_model": "FISHEYE624", "fl_x": 610, "fl_y": 610, "cx": 700, "cy": 706, "w": 1408, "h": 1408}
    pose = read_one(tmp_path, stated | {"fisheye_crop_radius": 707.5}, {"distortion_params": ARIA})
    assert pose.circle_px == 707.5
    x, y = (part.ravel() for part in np.meshgrid(np.linspace(-1.2, 1.2, 31), np.linspace(-1.2, 1.2, 31)))
    theta = np.arctan(np.hypot(x, y))
    bent = theta + sum(k * theta ** (2 * i + 3) for i, k in enumerate(ARIA[:6]))
    bent_xy = np.stack([x, y]) / np.maximum(np.hypot(x, y), 1e-12) * bent
    p, s = np.array(ARIA[6:8])[:, None], np.array(ARIA[8:])
    r2 = (bent_xy**2).sum(0)
    shifted = bent_xy + 2 * (bent_xy * p).sum(0) * bent_xy + r2 * p
    shifted += np.stack([s[0] * r2 + s[1] * r2**2, s[2] * r2 + s[3] * r2**2])
    pixels = colmap_camera(pose.lens).img_from_cam(np.stack([x, y, np.ones_like(x)], axis=1))
    np.testing.assert_allclose(pixels, (610 * shifted + [[700], [706]]).T, atol=1e-6)
    with pytest.raises(InputError, match='"distortion_params" are not 12 numbers'):
        read_one(tmp_path, stated, {"distortion_params": ARIA[:6]})
    with pytest.raises(InputError, match='no "distortion_params"'):
        read_one(tmp_path, stated)
    for radius in (0, -5):
        with pytest.raises(InputError, match="which leaves nothing"):
            read_one(tmp_path, stated | {"fisheye_crop_radius": radius}, {"distortion_params": ARIA})


def test_focal_length_from_the_angle_of_view_and_size_from_the_photo(tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.png").write_bytes(b"")
    pose = read_one(tmp_path, {"camera_angle_x": math.pi / 2}, {"file_path": "./images/a"})
    assert pose.name == "images/a.png"
    assert pose.lens.model == "PINHOLE"
    np.testing.assert_allclose(pose.lens.params, [400, 400, 400, 300])
    pose = read_one(tmp_path, {"camera_angle_x": math.pi / 2, "camera_angle_y": math.pi / 3, "w": 80, "h": 60})
    np.testing.assert_allclose(pose.lens.params, [40, 30 * math.sqrt(3), 40, 30])


def test_a_frame_overrides_the_file(tmp_path):
    pose = read_one(tmp_path, SHARED, {"fl_x": 700.0, "cx": 300.0, "w": 650})
    assert pose.lens == Lens("PINHOLE", (700, 510, 300, 239), 650, 480)


# Invariants


def test_shared_and_per_frame_intrinsics_mean_the_same(tmp_path):
    assert read_one(tmp_path, SHARED | {"k1": 0.1}).lens == read_one(tmp_path, {}, SHARED | {"k1": 0.1}).lens


def test_names_are_sorted_and_windows_paths_understood(tmp_path):
    frames = [{"file_path": name, "transform_matrix": IDENTITY} for name in ("images\\b.jpg", "./images/a.jpg")]
    poses = read_transforms(write(tmp_path, SHARED | {"frames": frames}), lambda path: (1, 1)).poses
    assert [pose.name for pose in poses] == ["images/a.jpg", "images/b.jpg"]


def test_a_uniform_scale_of_the_axes_is_taken_out(tmp_path):
    matrix = np.diag([0.5, 0.5, 0.5, 1.0])
    pose = read_one(tmp_path, frame={"transform_matrix": matrix.tolist()}).world_from_cam
    np.testing.assert_allclose(pose, np.diag([1.0, -1, -1, 1]))


def test_colmap_and_its_nerfstudio_export_agree(tmp_path):
    """The export is as nerfstudio writes it: axes flipped on the camera's side."""
    options = pycolmap.SyntheticDatasetOptions()
    options.num_rigs, options.num_cameras_per_rig, options.num_frames_per_rig = 1, 1, 3
    for image in pycolmap.synthesize_dataset(options).images.values():
        world_from_cam = np.eye(4)
        world_from_cam[:3] = image.cam_from_world().inverse().matrix()
        exported = world_from_cam.copy()
        exported[:3, 1:3] *= -1
        pose = read_one(tmp_path, frame={"transform_matrix": exported.tolist()})
        np.testing.assert_allclose(pose.world_from_cam, world_from_cam, atol=1e-9)


def test_the_file_is_found(tmp_path):
    assert find_transforms(tmp_path) is None
    blender = write(tmp_path, {}, "transforms_train.json")
    assert find_transforms(tmp_path) == blender
    assert find_transforms(tmp_path) == blender
    nerfstudio = write(tmp_path, {})
    assert find_transforms(tmp_path) == nerfstudio


def test_the_mask_of_a_frame(tmp_path):
    """The key is nerfstudio's, with any slashes; a mask that all frames share may stand in the file."""
    assert read_one(tmp_path, SHARED, {"mask_path": "masks\\m 1.png"}).mask == "masks/m 1.png"
    assert read_one(tmp_path, SHARED | {"mask_path": "rig.png"}).mask == "rig.png"
    assert read_one(tmp_path, SHARED | {"mask_path": "rig.png"}, {"mask_path": ""}).mask is None
    assert read_one(tmp_path, SHARED).mask is None


def test_null_is_no_entry(tmp_path):
    nothing = dict.fromkeys(("k1", "p2", "camera_model", "mask_path", "fl_x", "w", "is_fisheye"))
    pose = read_one(tmp_path, SHARED, nothing)
    assert (pose.lens, pose.mask) == (read_one(tmp_path).lens, None)
    assert read_one(
        tmp_path, {"k1": None, "camera_angle_x": None, "cx": None, "w": None, "h": None, "fl_x": 5}
    ).lens == (Lens("PINHOLE", (5, 5, 400, 300), 800, 600))


def test_angles_of_instant_ngp_are_in_degrees(tmp_path):
    assert read_one(tmp_path, {"x_fov": 90, "w": 80, "h": 60}).lens.params[:2] == pytest.approx((40, 40))
    assert read_one(tmp_path, {"y_fov": 90.0, "fl_x": 50, "w": 80, "h": 60}).lens.params[:2] == pytest.approx((50, 30))


def test_photos_that_cannot_be_measured_are_named(tmp_path):
    frames = [{"file_path": name, "transform_matrix": np.eye(4).tolist()} for name in ("a.jpg", "b.jpg")]
    file = write(tmp_path, without("w") | {"frames": frames})
    poses = read_transforms(file, lambda path: (800, 600) if path.name == "b.jpg" else None)
    assert ([pose.name for pose in poses.poses], poses.unmeasured) == (["b.jpg"], ("a.jpg",))


# Bad files


def without(key: str) -> dict:
    return {k: v for k, v in SHARED.items() if k != key}


@pytest.mark.parametrize(
    ("shared", "frame", "named"),
    [
        (without("fl_x") | {"fl_y": None}, {}, "fl_x"),
        ({"w": 640, "h": 480}, {}, "fl_x"),
        (SHARED | {"k1": "much"}, {}, "k1"),
        (SHARED | {"fl_x": 0}, {}, "focal"),
        (SHARED | {"fl_x": 10**400}, {}, "a number of 401 digits"),
        (SHARED | {"w": -640}, {}, "positive size"),
        (SHARED | {"w": 1e30}, {}, '"w"'),
        (SHARED, {"file_path": "."}, "file_path"),
        (SHARED | {"camera_model": "MAGIC"}, {}, "MAGIC"),
        (SHARED, {"file_path": None}, "file_path"),
        (SHARED, {"transform_matrix": [[1, 2], [3, 4]]}, "transform_matrix"),
        (SHARED, {"transform_matrix": "none"}, "transform_matrix"),
        (SHARED, {"transform_matrix": np.zeros((4, 4)).tolist()}, "transform_matrix"),
        (SHARED, {"transform_matrix": np.diag([1, 1, -1, 1]).tolist()}, "transform_matrix"),
        (SHARED, {"transform_matrix": np.diag([1, 2, 1, 1]).tolist()}, "transform_matrix"),
        (SHARED, {"mask_path": 3}, "mask_path"),
        ({"camera_angle_x": 60, "w": 640, "h": 480}, {}, "radians"),
        ({"x_fov": 180, "w": 640, "h": 480}, {}, "degrees"),
    ],
)
def test_the_sentence_names_file_and_key(tmp_path, shared, frame, named):
    with pytest.raises(InputError, match=named) as caught:
        read_one(tmp_path, shared, frame)
    assert "transforms.json" in str(caught.value)


@pytest.mark.parametrize("text", ['{"frames": [', "[]", "{}", '{"frames": []}', '{"frames": [3]}', "\x00"])
def test_broken_json(tmp_path, text):
    (tmp_path / "transforms.json").write_text(text)
    with pytest.raises(InputError, match=r"transforms\.json"):
        read_transforms(tmp_path / "transforms.json", lambda path: (1, 1))


def test_no_transform_matrix(tmp_path):
    file = write(tmp_path, SHARED | {"frames": [{"file_path": "a.jpg"}]})
    with pytest.raises(InputError, match="transform_matrix"):
        read_transforms(file, lambda path: (1, 1))
