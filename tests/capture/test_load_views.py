"""Posed photos as views, with their masks and sparse depth."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import ExifTags, Image

from ilrm_cli.capture.load_views import (
    BYTES_PER_PIXEL,
    common_size,
    load_views,
    sparse_depth_of,
    store_photos,
    visible_depths,
)
from ilrm_cli.capture.photos.pixels import PICTURES
from ilrm_cli.capture.poses.lenses import colmap_camera, turned_lens, turned_pose
from ilrm_cli.geometry.cameras import Cameras, Lens
from ilrm_cli.geometry.views import PosedPhoto
from tests.support.opened import gathered
from tests.support.photographed import FOCAL, photograph
from tests.support.posed_projects import colmap_project, write_colmap
from tests.support.watched_files import watched


def images_of(poses: list[np.ndarray], width: int, height: int) -> torch.Tensor:
    images = np.stack([photograph(pose, width=width, height=height) for pose in poses])
    return torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255


def test_views_of_a_project(tmp_path):
    poses = colmap_project(tmp_path)
    photos = gathered(tmp_path).photos
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
    """Write a grey photo with a white disc where the camera at the origin sees the point; return its position in px."""
    x, y = colmap_camera(lens).img_from_cam(point)
    columns, rows = np.meshgrid(np.arange(lens.width) + 0.5, np.arange(lens.height) + 0.5)
    image = np.where((columns - x) ** 2 + (rows - y) ** 2 < 8**2, 255, 60).astype(np.uint8)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).convert("RGB").save(path, quality=95, exif=exif)
    return float(x), float(y)


def dot_found(image: torch.Tensor) -> torch.Tensor:
    """Return the centre of the disc, px."""
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
    capture = gathered(tmp_path)
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
    capture = gathered(tmp_path)
    assert capture.photos[0].lens == upright
    views = load_views(capture.photos, *common_size(capture.photos, long_side=160))
    assert (dot_found(views.images[0]) - seen(views.cameras, 0, point)).norm() < 0.15


def test_the_views_know_which_photos_were_turned_to_fit(tmp_path):
    lenses = [Lens("PINHOLE", (420.0, 420.0, 320.0, 240.0), 640, 480)] * 2
    lenses.append(turned_lens(lenses[0], 1))
    photos = []
    for i, lens in enumerate(lenses):
        path = tmp_path / f"{i}.png"
        Image.new("RGB", (lens.width, lens.height)).save(path)
        photos.append(PosedPhoto(path.name, path, lens, turned_pose(np.eye(4), 1) if i == 2 else np.eye(4)))
    views = load_views(photos, 160, 120)
    assert views.quarter_turns is not None
    assert views.quarter_turns.tolist() == [0, 0, 3]
    assert views[[2, 0]].quarter_turns.tolist() == [3, 0]


def test_smaller_copies_of_the_photos_a_model_was_made_on(tmp_path):
    point = np.array([0.15, -0.1, 1.2])
    large = Lens("SIMPLE_RADIAL", (1680.0, 1240.0, 1000.0, -0.1), 2560, 1920)
    small = Lens("SIMPLE_RADIAL", (420.0, 310.0, 250.0, -0.1), 640, 480)
    for name in ("a.jpg", "b.jpg"):
        dot_photo(tmp_path / "images_4" / name, small, point)
    write_colmap(tmp_path / "sparse" / "0", ["a.jpg", "b.jpg"], [np.eye(4)] * 2, large)
    views = load_views(gathered(tmp_path).photos, 200, 150)
    assert (dot_found(views.images[0]) - seen(views.cameras, 0, point)).norm() < 0.15


def test_a_real_scene(shared):
    capture = gathered(shared / "scenes" / "fox")
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


def test_masks_follow_their_photos(tmp_path):
    """Turned, undistorted, scaled and cut: the masked disc lies where the cameras say; no photo without gets a hole."""
    point = np.array([0.15, -0.1, 1.2])
    photos = []
    for i, lens in enumerate(LENSES):
        path = tmp_path / f"{i}.png"
        dot_photo(path, lens, point)
        counts = np.asarray(Image.open(path).convert("L")) < 200
        Image.fromarray(counts).save(tmp_path / f"mask {i}.png")
        photos.append(PosedPhoto(path.name, path, lens, np.eye(4), mask=tmp_path / f"mask {i}.png"))
    photos.append(PosedPhoto("whole", photos[0].path, LENSES[0], np.eye(4)))
    views = load_views(photos, 160, 112)
    assert views.masks is not None
    assert set(views.masks.unique().tolist()) == {0.0, 1.0}
    for i in range(len(LENSES)):
        hole = 1 - views.masks[i].double()
        rows, columns = torch.meshgrid(torch.arange(112) + 0.5, torch.arange(160) + 0.5, indexing="ij")
        middle = torch.stack([(hole * columns).sum(), (hole * rows).sum()]) / hole.sum()
        assert (middle - seen(views.cameras, i, point)).norm() < 0.5, LENSES[i]
        assert views.images[i][:, hole.bool()].min() == 1
        assert views.images[i][:, views.masks[i].bool()].max() < 0.5  # nothing of the disc is left to count
    assert views.masks[-1].min() == 1


def test_transparent_pixels_are_empty_edges_are_masked_and_without_any_there_is_neither(tmp_path):
    photos = []
    for name, alpha in (("half", 0), ("whole", 255)):
        rgba = np.full((48, 64, 4), 90, dtype=np.uint8)
        rgba[..., 3] = 255
        rgba[:, :32, 3] = alpha
        rgba[:, 32:36, 3] = max(alpha, 128)
        Image.fromarray(rgba).save(tmp_path / f"{name}.png")
        photos.append(
            PosedPhoto(name, tmp_path / f"{name}.png", Lens("PINHOLE", (50.0, 50.0, 32.0, 24.0), 64, 48), np.eye(4))
        )
    views = load_views(photos, 32, 24)
    assert views.masks is not None
    assert views.empty[0, :, :15].min() == views.content[0, :, 19:].min() == 1
    assert views.masks[0, :, 16:18].max() == views.empty[1].max() == 0
    assert torch.equal(views.masks, views.content + views.empty)
    assert views.images[0, :, :, :18].min() == 1
    whole = load_views(photos[1:], 32, 24)
    assert (whole.masks, whole.empty, whole.content) == (None, None, None)


def cameras() -> Cameras:
    """Return cameras at the origin and one unit behind it, both looking along z; 8 x 6 px."""
    pose = torch.eye(4).repeat(2, 1, 1)
    pose[1, 2, 3] = -1.0
    return Cameras(pose, torch.full((2, 2), 4.0), torch.tensor([[4.0, 3.0]]).repeat(2, 1), 8, 6)


@pytest.mark.parametrize("held", [0, 2, 9])
def test_stored_photos_are_the_same_views_one_by_one_and_read_again_where_there_is_no_room(tmp_path, held):
    colmap_project(tmp_path)
    photos = gathered(tmp_path).photos
    Image.fromarray(np.tile(np.repeat([0, 255], 160).astype(np.uint8), (240, 1))).save(tmp_path / "mask.png")
    photos = (replace(photos[0], mask=tmp_path / "mask.png"), *photos[1:])
    whole = load_views(photos, 96, 80)
    stored = store_photos(photos, 96, 80, most_bytes=held * BYTES_PER_PIXEL * 96 * 80 + 1)
    assert (len(stored), len(stored.held)) == (4, min(held, 4))
    torch.testing.assert_close(stored.cameras.world_from_cam, whole.cameras.world_from_cam)
    PICTURES.forget()
    with watched(tmp_path) as seen:
        for index in (3, 0, 3, 1, 2):
            view, expected = stored[[index]], whole[[index]]
            assert torch.equal(view.images, expected.images)
            assert torch.equal(view.cameras.focal_px, expected.cameras.focal_px)
            assert view.quarter_turns.tolist() == expected.quarter_turns.tolist()
            assert (view.masks is None) == (index != 0)
            assert view.masks is None or torch.equal(view.masks, expected.masks)
    again = {photo.path.relative_to(tmp_path).as_posix() for photo in photos[held:]}
    assert set(seen.opened) - {"mask.png"} == again


def test_stored_photos_follow_cameras_into_another_frame(tmp_path):
    colmap_project(tmp_path)
    stored = store_photos(gathered(tmp_path).photos, 96, 80, most_bytes=0)
    cameras = replace(stored.cameras, focal_px=2 * stored.cameras.focal_px)
    assert torch.equal(stored.seen_by(cameras)[[2, 1]].cameras.focal_px, cameras.focal_px[[2, 1]])


def test_points_become_depths_at_their_pixels():
    found = [np.array([[0.0, 0, 2], [1, 0.5, 4]]), None]
    sparse = sparse_depth_of(found, cameras())
    assert sparse.shape == (2, 6, 8)
    assert sparse.nonzero().tolist() == [[0, 3, 4], [0, 3, 5]]
    assert sparse[0, 3, 4] == 2
    assert sparse[0, 3, 5] == 4


def test_points_outside_the_image_are_left_out():
    found = [np.array([[0.0, 0, -2], [50, 0, 2]]), np.array([[0.0, 0, 2]])]
    sparse = sparse_depth_of(found, cameras())
    assert sparse[0].sum() == 0
    assert sparse[1, 3, 4] == 3


def test_nothing_known():
    assert sparse_depth_of([None, None], cameras()) is None
    assert sparse_depth_of([np.zeros((0, 3)), None], cameras()) is None


def test_visible_depths_are_those_in_front_and_inside():
    points = torch.tensor([[0.0, 0, 2], [0, 0, -0.5], [50, 0, 2]], dtype=torch.float64)
    assert sorted(visible_depths(points, cameras()).tolist()) == pytest.approx([0.5, 2.0, 3.0])


def test_points_on_ignored_pixels_do_not_count():
    points = torch.tensor([[0.0, 0, 2], [1, 0.5, 4]], dtype=torch.float64)
    masks = torch.ones(2, 6, 8)
    masks[0, 3, 4] = 0  # where the first camera sees the first point
    assert sorted(visible_depths(points, cameras(), masks).tolist()) == pytest.approx([3.0, 4.0, 5.0])
