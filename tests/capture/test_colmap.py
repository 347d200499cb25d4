from pathlib import Path

import numpy as np
import pycolmap
import pytest

from ilrm_cli.capture.photos.listing import Listing
from ilrm_cli.capture.photos.project_models import find_model
from ilrm_cli.capture.poses.colmap import read_model
from ilrm_cli.capture.poses.lenses import colmap_camera
from ilrm_cli.capture.poses.tools.images_txt import names_in_images_txt
from ilrm_cli.runtime.errors import InputError
from tests.support.all_lenses import LENSES


def small_model(cameras: int = 1, images: int = 4) -> pycolmap.Reconstruction:
    pycolmap.set_random_seed(0)
    options = pycolmap.SyntheticDatasetOptions()
    options.num_rigs = cameras
    options.num_cameras_per_rig = 1
    options.num_frames_per_rig = images
    options.num_points3D = 40
    return pycolmap.synthesize_dataset(options)


def write_by_hand(folder: Path, cameras: list[str], images: list[str]) -> Path:
    """Write the text format as COLMAP up to 3.11 wrote it: no rigs, no frames."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cameras.txt").write_text("\n".join(cameras) + "\n")
    (folder / "images.txt").write_text("".join(f"{line}\n\n" for line in images))
    (folder / "points3D.txt").write_text(["1 0.5 -0.25 3 255 0 0 0.1", " 2 0\n"][0] + "\n")
    return folder


def test_only_the_beginning_of_texts_is_looked_at_before_they_are_read(tmp_path, monkeypatch):
    """The file of the points may be a large one."""
    write_by_hand(tmp_path, ["1 PINHOLE 64 48 50 50 32 24"], ["1 1 0 0 0 0 0 0 1 a.jpg"])
    usual = Path.read_bytes

    def read_bytes(path):
        assert path.name != "points3D.txt"
        return usual(path)

    monkeypatch.setattr(Path, "read_bytes", read_bytes)
    assert len(read_model(tmp_path).points) == 1


def test_text_model_by_hand(tmp_path):
    # the camera at (1, 2, 3), turned by 90 degrees about y: cam_from_world = R, t = -R c
    half = np.sqrt(0.5)
    model = write_by_hand(
        tmp_path / "model",
        ["1 OPENCV 640 480 500 510 320 240 0.1 0.01 0.001 0.002"],
        [f"1 {half} 0 {half} 0 -3 -2 1 1 sub folder/ä.jpg"],
    )
    (pose,) = read_model(model).poses
    assert pose.name == "sub folder/ä.jpg"
    assert pose.lens.model == "OPENCV"
    assert pose.lens.params == (500, 510, 320, 240, 0.1, 0.01, 0.001, 0.002)
    assert (pose.lens.width, pose.lens.height) == (640, 480)
    expected = np.array([[0.0, 0, -1, 1], [0, 1, 0, 2], [1, 0, 0, 3], [0, 0, 0, 1]])
    np.testing.assert_allclose(pose.world_from_cam, expected, atol=1e-12)


@pytest.mark.parametrize("write", ["write_binary", "write_text"])
def test_both_formats_hold_what_pycolmap_holds(tmp_path, write):
    model = small_model(cameras=2)
    getattr(model, write)(tmp_path)
    poses = read_model(tmp_path)
    assert len(poses.poses) == 8
    assert [pose.name for pose in poses.poses] == sorted(image.name for image in model.images.values())
    assert poses.points.shape == (40, 3)
    for pose in poses.poses:
        image = model.find_image_with_name(pose.name)
        np.testing.assert_allclose(pose.world_from_cam[:3, 3], image.projection_center(), atol=1e-9)
        np.testing.assert_allclose(pose.world_from_cam[:3, 2], image.viewing_direction(), atol=1e-9)
        cam_from_world = np.linalg.inv(pose.world_from_cam)
        local = poses.points @ cam_from_world[:3, :3].T + cam_from_world[:3, 3]
        ours = colmap_camera(pose.lens).img_from_cam(local)
        theirs = np.array([image.project_point(point) for point in poses.points])
        np.testing.assert_allclose(ours, theirs, atol=1e-6)


@pytest.mark.parametrize("write", ["write_binary", "write_text"])
def test_every_camera_model_is_read(tmp_path, write):
    text = write_by_hand(
        tmp_path / "text",
        [
            f"{i} {lens.model} {lens.width} {lens.height} {' '.join(map(str, lens.params))}"
            for i, lens in enumerate(LENSES, 1)
        ],
        [f"{i} 1 0 0 0 0 0 0 {i} {i:03d}.jpg" for i in range(1, len(LENSES) + 1)],
    )
    (tmp_path / "again").mkdir()
    getattr(pycolmap.Reconstruction(str(text)), write)(tmp_path / "again")
    assert [pose.lens for pose in read_model(tmp_path / "again").poses] == LENSES


@pytest.mark.parametrize("before", ["\n", "  # indented\n\n", "# x\n\n\n"])
def test_names_survive_blank_and_comment_lines(tmp_path, before):
    model = write_by_hand(
        tmp_path, ["1 PINHOLE 640 480 500 500 320 240"], [f"{i} 1 0 0 0 0 0 0 1 my {i}.jpg" for i in (1, 2)]
    )
    images = (model / "images.txt").read_text()
    (model / "images.txt").write_text(before + images.replace("\n\n", "\n\n" + before))
    assert [pose.name for pose in read_model(model).poses] == ["my 1.jpg", "my 2.jpg"]


@pytest.mark.parametrize("points", ["", "1.5 2.5 -1", "1.5 2 -1 7 8 -1 3 4 -1 5 6 -1"])
def test_photos_whose_line_of_points_is_missing(tmp_path, points):
    """None has points and their lines are missing, or they are cut off behind the last photo, which has none."""
    rows = [f"{i} 1 0 0 0 0 0 {i} 1 my {i}.jpg" for i in (1, 2, 3, 4)]
    model = write_by_hand(tmp_path, ["1 PINHOLE 640 480 500 500 320 240"], rows)
    whole = (model / "images.txt").read_text()
    for text in (
        "\n".join(rows),
        "\n".join(rows) + "\n",
        whole.rstrip(),
        f"{rows[0]}\n{points}\n" + "\n".join(rows[1:]),
    ):
        (model / "images.txt").write_text(text)
        assert [(pose.name, pose.world_from_cam[2, 3]) for pose in read_model(model).poses] == [
            (f"my {i}.jpg", -i) for i in (1, 2, 3, 4)
        ]
        assert names_in_images_txt(model / "images.txt") == [f"my {i}.jpg" for i in (1, 2, 3, 4)]


@pytest.mark.parametrize("spare", [b"", b"spare"])
def test_a_spare_binary_file_beside_a_text_model(tmp_path, spare):
    model = write_by_hand(tmp_path, ["1 PINHOLE 640 480 500 500 320 240"], ["1 1 0 0 0 0 0 0 1 my a.jpg"])
    (model / "images.bin").write_bytes(spare)
    assert [pose.name for pose in read_model(model).poses] == ["my a.jpg"]


def test_images_without_pose_are_passed_over(tmp_path):
    model = small_model()
    model.deregister_frame(next(iter(model.frames)))
    model.write_binary(tmp_path)
    assert len(read_model(tmp_path).poses) == 3


# Places of models


@pytest.mark.parametrize("place", ["sparse/0", "sparse", ".", "colmap/sparse/0", "distorted/sparse/0"])
def test_models_are_found_where_tools_put_them(tmp_path, place):
    (tmp_path / place).mkdir(parents=True, exist_ok=True)
    small_model().write_binary(tmp_path / place)
    (tmp_path / "images").mkdir(exist_ok=True)
    assert find_model(tmp_path, Listing()).resolve() == (tmp_path / place).resolve()
    assert find_model(tmp_path / "images", Listing()).resolve() == (tmp_path / place).resolve()


def test_the_largest_of_several_models(tmp_path):
    for name, images in (("0", 3), ("1", 7), ("2", 2)):
        (tmp_path / "sparse" / name).mkdir(parents=True)
        small_model(images=images).write_binary(tmp_path / "sparse" / name)
    assert find_model(tmp_path, Listing()) == tmp_path / "sparse" / "1"


def test_no_model(tmp_path):
    (tmp_path / "sparse" / "0").mkdir(parents=True)
    (tmp_path / "sparse" / "0" / "cameras.bin").write_bytes(b"")
    assert find_model(tmp_path, Listing()) is None


# Bad models


@pytest.mark.parametrize("part", ["cameras.bin", "images.bin", "points3D.bin"])
def test_files_cut_short(tmp_path, part):
    small_model().write_binary(tmp_path)
    content = (tmp_path / part).read_bytes()
    (tmp_path / part).write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match=str(tmp_path)):
        read_model(tmp_path)


def test_text_that_is_no_model(tmp_path):
    model = write_by_hand(tmp_path, ["1 PINHOLE 640 480 500 500 320 240"], ["1 one 0 0 0 0 0 0 1 a.jpg"])
    with pytest.raises(InputError, match="damaged"):
        read_model(model)


def test_a_panorama_is_refused(tmp_path):
    model = write_by_hand(tmp_path, ["1 EQUIRECTANGULAR 640 320 640 320"], ["1 1 0 0 0 0 0 0 1 a.jpg"])
    with pytest.raises(InputError, match="panorama"):
        read_model(model)


def test_a_panorama_that_no_photo_uses_is_passed_over(tmp_path):
    cameras = ["1 PINHOLE 640 480 500 500 320 240", "2 EQUIRECTANGULAR 640 320 640 320"]
    assert len(read_model(write_by_hand(tmp_path, cameras, ["1 1 0 0 0 0 0 0 1 a.jpg"])).poses) == 1


def test_a_model_without_poses(tmp_path):
    model = write_by_hand(tmp_path, ["1 PINHOLE 640 480 500 500 320 240"], [])
    with pytest.raises(InputError, match="no posed photo"):
        read_model(model)
