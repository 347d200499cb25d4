import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import ExifTags, Image

from ilrm_cli.cameras import Lens
from ilrm_cli.errors import InputError
from ilrm_cli.gather import common_size, gather, load_views
from ilrm_cli.pose import sfm
from ilrm_cli.pose.lenses import colmap_camera, turned_lens, turned_pose
from ilrm_cli.views import PosedPhoto
from tests.photographed import FOCAL, HEIGHT, WIDTH, cameras_on_an_arc, photograph, save_photos

PINHOLE = Lens("PINHOLE", (FOCAL, FOCAL, WIDTH / 2, HEIGHT / 2), WIDTH, HEIGHT)


def write_colmap(folder: Path, names: list[str], poses: list[np.ndarray], lens: Lens = PINHOLE) -> None:
    """A text model; one camera, no points."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cameras.txt").write_text(
        f"1 {lens.model} {lens.width} {lens.height} {' '.join(map(str, lens.params))}\n"
    )
    lines = []
    for i, (name, world_from_cam) in enumerate(zip(names, poses, strict=True), 1):
        cam_from_world = np.linalg.inv(world_from_cam)
        lines.append(f"{i} {quaternion(cam_from_world)} {' '.join(map(str, cam_from_world[:3, 3]))} 1 {name}\n\n")
    (folder / "images.txt").write_text("".join(lines))
    (folder / "points3D.txt").write_text("")


def quaternion(pose: np.ndarray) -> str:
    """w x y z of a rotation that turns by less than 180 degrees."""
    r = pose[:3, :3]
    w = np.sqrt(1 + np.trace(r)) / 2
    return " ".join(map(str, [w, *(np.array([r[2, 1] - r[1, 2], r[0, 2] - r[2, 0], r[1, 0] - r[0, 1]]) / (4 * w))]))


def colmap_project(folder: Path, count: int = 4) -> list[np.ndarray]:
    poses = cameras_on_an_arc(count)
    paths = save_photos(folder / "images", poses)
    write_colmap(folder / "sparse" / "0", [path.name for path in paths], poses)
    return poses


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


# Where poses come from


def test_a_colmap_project(tmp_path):
    poses = colmap_project(tmp_path)
    capture = gather(tmp_path)
    assert (capture.origin, capture.found, capture.warnings) == ("colmap", 4, ())
    assert [photo.name for photo in capture.photos] == [f"photo_00{i}.png" for i in range(4)]
    for photo, pose in zip(capture.photos, poses, strict=True):
        assert photo.path.is_file()
        assert photo.lens == PINHOLE
        np.testing.assert_allclose(photo.world_from_cam, pose, atol=1e-9)


@pytest.mark.parametrize("place", ["input", ".", "images_4"])
def test_photos_are_found_where_projects_keep_them(tmp_path, place):
    poses = cameras_on_an_arc(3)
    paths = save_photos(tmp_path / place, poses)
    write_colmap(tmp_path / "sparse" / "0", [path.name for path in paths], poses)
    assert len(gather(tmp_path).photos) == 3


def test_transforms_json_and_colmap_give_the_same_capture(tmp_path):
    poses = colmap_project(tmp_path / "colmap")
    save_photos(tmp_path / "nerf" / "images", poses)
    frames = [
        {"file_path": f"images/photo_00{i}", "transform_matrix": (pose @ np.diag([1.0, -1, -1, 1])).tolist()}
        for i, pose in enumerate(poses)
    ]
    (tmp_path / "nerf" / "transforms.json").write_text(json.dumps({"fl_x": FOCAL, "frames": frames}))
    ours, theirs = gather(tmp_path / "nerf"), gather(tmp_path / "colmap")
    assert (ours.origin, ours.found) == ("transforms", 4)
    for a, b in zip(ours.photos, theirs.photos, strict=True):
        assert a.lens == b.lens
        np.testing.assert_allclose(a.world_from_cam, b.world_from_cam, atol=1e-9)


def test_reduced_copies_and_masks_are_not_counted_as_photos(tmp_path):
    """The folders that nerfstudio makes beside `images`."""
    poses = cameras_on_an_arc(3)
    for name in ("images", "images_2", "masks"):
        save_photos(tmp_path / name, poses)
    Image.new("RGB", (WIDTH, HEIGHT)).save(tmp_path / "images" / "unposed.png")
    frames = [
        {"file_path": f"images/photo_00{i}.png", "transform_matrix": pose.tolist()} for i, pose in enumerate(poses)
    ]
    (tmp_path / "transforms.json").write_text(json.dumps({"fl_x": FOCAL, "frames": frames}))
    assert gather(tmp_path).found == 4


def test_a_photo_with_broken_exif_is_used(tmp_path):
    poses = colmap_project(tmp_path)
    whole = photograph(poses[1])
    Image.fromarray(whole).save(tmp_path / "images" / "photo_001.png", exif=b"Exif\0\0MM\0*junk")
    capture = gather(tmp_path)
    assert (len(capture.photos), capture.warnings) == (4, ())


def test_photos_alone_are_posed_once_and_then_taken_from_the_cache(tmp_path, monkeypatch):
    poses = cameras_on_an_arc(5)
    paths = save_photos(tmp_path / "my photos", poses)
    cut_short(paths[4])
    first = gather(tmp_path / "my photos", cache=tmp_path / "cache")
    assert (first.origin, first.found, len(first.photos)) == ("sfm", 5, 4)
    assert "photo_004.png" in first.warnings[0]
    assert "left out" in first.warnings[0]
    assert first.points.shape[0] > 100

    def never(*args, **kwargs):
        raise AssertionError("structure from motion ran again")

    monkeypatch.setattr(sfm, "solve", never)
    again = gather(tmp_path / "my photos", cache=tmp_path / "cache")
    assert again.warnings == first.warnings
    for a, b in zip(first.photos, again.photos, strict=True):
        assert a.lens == b.lens
        np.testing.assert_array_equal(a.world_from_cam, b.world_from_cam)
    paths[0].write_bytes(paths[1].read_bytes())
    with pytest.raises(AssertionError, match="ran again"):
        gather(tmp_path / "my photos", cache=tmp_path / "cache")


def test_poses_can_be_forced(tmp_path):
    colmap_project(tmp_path)
    with pytest.raises(InputError, match=r"no transforms\.json"):
        gather(tmp_path, "transforms")
    (tmp_path / "sparse" / "0" / "images.txt").unlink()
    with pytest.raises(InputError, match="no COLMAP model"):
        gather(tmp_path, "colmap")


# Bad input


def test_missing_folder_no_photos_one_photo(tmp_path):
    with pytest.raises(InputError, match="nowhere is not a folder"):
        gather(tmp_path / "nowhere")
    with pytest.raises(InputError, match="holds no photo"):
        gather(tmp_path)
    save_photos(tmp_path, cameras_on_an_arc(1))
    with pytest.raises(InputError, match="only 1 readable photo"):
        gather(tmp_path)


def test_photos_that_do_not_overlap_leave_no_cache(tmp_path):
    for seed in range(3):
        save_photos(tmp_path / "photos", cameras_on_an_arc(1), seed=seed, prefix=f"p{seed}")
    with pytest.raises(InputError, match="do not overlap"):
        gather(tmp_path / "photos", cache=tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_a_model_that_names_absent_photos(tmp_path):
    colmap_project(tmp_path)
    (tmp_path / "images" / "photo_002.png").unlink()
    capture = gather(tmp_path)
    assert len(capture.photos) == 3
    assert "photo_002.png" in capture.warnings[0]
    for path in (tmp_path / "images").iterdir():
        path.rename(path.with_name(f"other_{path.name}"))
    with pytest.raises(InputError, match=r"None of the 4 photos .*photo_000\.png"):
        gather(tmp_path)


def test_a_damaged_photo_among_good_ones_is_left_out_and_said(tmp_path):
    colmap_project(tmp_path)
    cut_short(tmp_path / "images" / "photo_001.png")
    capture = gather(tmp_path)
    assert (capture.found, len(capture.photos)) == (4, 3)
    assert "photo_001.png cannot be read" in capture.warnings[0]


def test_a_photo_of_another_shape_is_left_out_and_said(tmp_path):
    colmap_project(tmp_path)
    Image.new("RGB", (100, 300)).save(tmp_path / "images" / "photo_001.png")
    capture = gather(tmp_path)
    assert len(capture.photos) == 3
    assert "photo_001.png" in capture.warnings[0]


# Views


def images_of(poses: list[np.ndarray], width: int, height: int) -> torch.Tensor:
    images = np.stack([photograph(pose, width=width, height=height) for pose in poses])
    return torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255


def test_views_of_a_project(tmp_path):
    poses = colmap_project(tmp_path)
    photos = gather(tmp_path).photos
    size = common_size(photos, long_side=160, multiple=8)
    assert size == (160, 120)
    views = load_views(photos, *size)
    assert views.images.shape == (4, 3, 120, 160)
    assert views.images.dtype == torch.float32
    assert (views.images - images_of(poses, 160, 120)).abs().mean() < 0.06
    torch.testing.assert_close(views.cameras.world_from_cam, torch.from_numpy(np.stack(poses)))
    torch.testing.assert_close(views.cameras.focal_px, torch.full((4, 2), FOCAL / 2, dtype=torch.float64))
    expected = torch.tensor([[80.0, 60.0]] * 4, dtype=torch.float64)
    torch.testing.assert_close(views.cameras.center_px, expected)


def dot_photo(path: Path, lens: Lens, point: np.ndarray, orientation: int = 1) -> tuple[float, float]:
    """A grey photo with a white disc where the camera at the origin sees the point."""
    x, y = colmap_camera(lens).img_from_cam(point)
    columns, rows = np.meshgrid(np.arange(lens.width) + 0.5, np.arange(lens.height) + 0.5)
    image = np.where((columns - x) ** 2 + (rows - y) ** 2 < 8**2, 255, 60).astype(np.uint8)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).convert("RGB").save(path, quality=95, exif=exif)
    return float(x), float(y)


def dot_found(image: torch.Tensor) -> torch.Tensor:
    """Centre of the disc, px."""
    weight = (image.mean(0).double() - 60 / 255).clamp(min=0.1) - 0.1
    rows, columns = torch.meshgrid(*(torch.arange(n) + 0.5 for n in weight.shape), indexing="ij")
    return torch.stack([(weight * columns).sum(), (weight * rows).sum()]) / weight.sum()


def seen(cameras, index: int, point: np.ndarray) -> torch.Tensor:
    local = cameras.cam_from_world[index] @ torch.tensor([*point, 1.0], dtype=torch.float64)
    return cameras.focal_px[index] * local[:2] / local[2] + cameras.center_px[index]


LENSES = [
    Lens("PINHOLE", (420.0, 430.0, 310.0, 250.0), 640, 480),
    Lens("PINHOLE", (420.0, 430.0, 230.0, 330.0), 480, 640),  # portrait: turned
    Lens("OPENCV", (420.0, 430.0, 310.0, 250.0, -0.1, 0.02, 0.01, -0.02), 640, 480),
    Lens("OPENCV_FISHEYE", (420.0, 430.0, 310.0, 250.0, 0.03, 0.01, 0.005, 0.002), 640, 480),
    Lens("SIMPLE_RADIAL", (420.0, 230.0, 330.0, -0.1), 480, 640),
    Lens("PINHOLE", (400.0, 400.0, 480.0, 240.0), 960, 480),  # wider than the common size
]


@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_a_point_appears_where_the_cameras_say(tmp_path, suffix):
    point = np.array([0.15, -0.1, 1.2])
    photos = []
    for i, lens in enumerate(LENSES):
        path = tmp_path / f"{i}.{suffix}"
        dot_photo(path, lens, point)
        photos.append(PosedPhoto(path.name, path, lens, np.eye(4)))
    for size in ((160, 112), (150, 101), (300, 220)):
        views = load_views(photos, *size)
        for i in range(len(photos)):
            assert (dot_found(views.images[i]) - seen(views.cameras, i, point)).norm() < 0.15, (size, LENSES[i])


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_models_made_on_stored_pixels_of_turned_photos(tmp_path, orientation):
    """COLMAP ignores the EXIF orientation, `read_photo` does not: lens and pose are turned to match."""
    point = np.array([0.15, -0.1, 1.2])
    lens = Lens("OPENCV", (420.0, 430.0, 310.0, 250.0, -0.1, 0.02, 0.01, -0.02), 640, 480)
    names = ["a.jpg", "b.jpg"]
    for name in names:
        dot_photo(tmp_path / "images" / name, lens, point, orientation)
    write_colmap(tmp_path / "sparse" / "0", names, [np.eye(4)] * 2, lens)
    capture = gather(tmp_path)
    upright = (640, 480) if orientation in (1, 3) else (480, 640)
    assert [(photo.lens.width, photo.lens.height) for photo in capture.photos] == [upright] * 2
    views = load_views(capture.photos, *common_size(capture.photos, long_side=160))
    assert (dot_found(views.images[0]) - seen(views.cameras, 0, point)).norm() < 0.15


def test_models_made_on_upright_pixels_of_turned_photos(tmp_path):
    point = np.array([0.15, -0.1, 1.2])
    stored = Lens("PINHOLE", (420.0, 430.0, 310.0, 250.0), 640, 480)
    upright, world_from_cam = turned_lens(stored, 3), turned_pose(np.eye(4), 3)
    for name in ("a.jpg", "b.jpg"):
        dot_photo(tmp_path / "images" / name, stored, point, orientation=6)
    write_colmap(tmp_path / "sparse" / "0", ["a.jpg", "b.jpg"], [world_from_cam] * 2, upright)
    capture = gather(tmp_path)
    assert capture.photos[0].lens == upright
    views = load_views(capture.photos, *common_size(capture.photos, long_side=160))
    assert (dot_found(views.images[0]) - seen(views.cameras, 0, point)).norm() < 0.15


def test_smaller_copies_of_the_photos_a_model_was_made_on(tmp_path):
    point = np.array([0.15, -0.1, 1.2])
    large = Lens("SIMPLE_RADIAL", (1680.0, 1240.0, 1000.0, -0.1), 2560, 1920)
    small = Lens("SIMPLE_RADIAL", (420.0, 310.0, 250.0, -0.1), 640, 480)
    for name in ("a.jpg", "b.jpg"):
        dot_photo(tmp_path / "images_4" / name, small, point)
    write_colmap(tmp_path / "sparse" / "0", ["a.jpg", "b.jpg"], [np.eye(4)] * 2, large)
    views = load_views(gather(tmp_path).photos, 200, 150)
    assert (dot_found(views.images[0]) - seen(views.cameras, 0, point)).norm() < 0.15


def test_a_real_scene(shared):
    capture = gather(shared / "scenes" / "fox")
    assert (capture.origin, capture.found, len(capture.photos)) == ("colmap", 30, 30)
    assert capture.points.shape == (5822, 3)
    size = common_size(capture.photos, long_side=256, multiple=16)
    assert size == (144, 256)
    views = load_views(capture.photos[:3], *size)
    cameras = views.cameras
    points = torch.from_numpy(capture.points)
    local = points @ cameras.cam_from_world[0, :3, :3].T + cameras.cam_from_world[0, :3, 3]
    pixels = local[:, :2] / local[:, 2:] * cameras.focal_px[0] + cameras.center_px[0]
    inside = (local[:, 2] > 0) & ((pixels > 0) & (pixels < torch.tensor(size))).all(1)
    assert inside.float().mean() > 0.3


def test_kinds_of_photos_that_are_not_read_are_named(tmp_path: Path) -> None:
    (tmp_path / "IMG_1.HEIC").touch()
    with pytest.raises(InputError, match=r"1 photos of a kind that is not read \(IMG_1.HEIC\); save them as JPEG"):
        gather(tmp_path)


def test_a_video_gets_the_command_that_makes_photos_of_it(tmp_path: Path) -> None:
    (tmp_path / "walk.mp4").touch()
    with pytest.raises(InputError, match=r"is a video; .*ffmpeg -i walk.mp4"):
        gather(tmp_path / "walk.mp4")
