"""Sequences of frames: resampling with cameras that follow, folders, and the procedural hold-out."""

import shutil

import numpy as np
import pytest
import torch

from ilrm_cli.capture.load_views import visible_depths
from ilrm_cli.capture.photos.folder import open_folder
from ilrm_cli.capture.poses.lenses import pinhole
from ilrm_cli.data.checks import find_posed_folders
from ilrm_cli.data.folders import read_folder
from ilrm_cli.data.holdout import HOLDOUT_INPUTS, HOLDOUT_TARGETS, holdout_scene
from ilrm_cli.data.sequences import resized_and_cropped
from ilrm_cli.render.metrics import psnr
from ilrm_cli.runtime.errors import InputError
from tests.support.photographed import FOCAL, HEIGHT, WIDTH, photograph
from tests.support.small_data_sets import arc, write_dl3dv


def test_a_point_stays_where_its_camera_sees_it():
    """A bright square in the image is found where the new lens projects the direction in which it was."""
    image = np.zeros((180, 320, 3), np.uint8)
    image[100:110, 200:210] = 255
    lens = pinhole((250.0, 260.0), (161.0, 88.0), 320, 180)
    cut, new = resized_and_cropped(image, lens, 128, 128)
    assert cut.shape == (128, 128, 3)
    rows, columns = np.nonzero(cut[..., 0] > 127)
    seen = (columns.mean() + 0.5, rows.mean() + 0.5)
    direction = ((205 - 161.0) / 250, (105 - 88.0) / 260)
    expected = (direction[0] * new.params[0] + new.params[2], direction[1] * new.params[1] + new.params[3])
    assert seen == pytest.approx(expected, abs=0.3)


def test_the_size_it_has_is_kept_untouched():
    image = np.random.default_rng(0).integers(0, 255, (30, 40, 3), dtype=np.uint8)
    lens = pinhole((50.0, 50.0), (20.0, 15.0), 40, 30)
    cut, new = resized_and_cropped(image, lens, 40, 30)
    assert np.array_equal(cut, image)
    assert new == lens


def test_a_dl3dv_scene_is_read_from_its_reduced_images(tmp_path):
    poses = arc(4)
    sequence = read_folder(open_folder(write_dl3dv(tmp_path / "0a1b", poses)))
    assert (sequence.name, len(sequence)) == ("0a1b", 4)
    assert sequence.frame_names[0] == "images_4/frame_00001.png"  # by name, whatever the order in the file
    np.testing.assert_allclose(sequence.world_from_cam, np.stack(poses), atol=1e-9)
    views = sequence.views([2], WIDTH, HEIGHT)
    assert views.cameras.focal_px[0].tolist() == pytest.approx([FOCAL, FOCAL])
    assert views.cameras.center_px[0].tolist() == pytest.approx([WIDTH / 2, HEIGHT / 2])
    taken = torch.from_numpy(photograph(poses[2])).permute(2, 0, 1)[None] / 255
    assert float(psnr(views.images, taken)) == 100


def test_the_benchmark_layout_is_one_scene_named_by_its_hash(tmp_path):
    write_dl3dv(tmp_path / "1K" / "0a1b" / "nerfstudio", arc(3))
    write_dl3dv(tmp_path / "2K" / "00ff", arc(3))
    shutil.copytree(tmp_path / "1K/0a1b/nerfstudio", tmp_path / "1K/0a1b/gaussian_splat")
    (tmp_path / "notes").mkdir()
    found = find_posed_folders(tmp_path)
    assert [path.relative_to(tmp_path).as_posix() for path in found] == ["1K/0a1b/nerfstudio", "2K/00ff"]
    assert read_folder(open_folder(found[0])).name == "0a1b"


def test_a_root_without_scenes_is_refused(tmp_path):
    with pytest.raises(InputError, match="holds no scene"):
        find_posed_folders(tmp_path)
    with pytest.raises(InputError, match="is not a folder"):
        find_posed_folders(tmp_path / "nowhere")


def test_a_scene_is_always_the_same():
    one, two = (holdout_scene(4, 32, 8) for _ in range(2))
    assert torch.equal(one.rendered.images, two.rendered.images)
    assert (one.points == two.points).all()
    assert len(one) == HOLDOUT_INPUTS + HOLDOUT_TARGETS
    views = one.views([0, 5], 24, 32)
    assert torch.equal(views.images[1], two.rendered.images[5])


def test_its_points_lie_in_front_of_its_cameras():
    scene = holdout_scene(0, 32, 8)
    depths = visible_depths(torch.from_numpy(scene.points), scene.rendered.cameras)
    assert len(scene.points) > 50
    assert len(depths) >= 2 * len(scene.points)  # each is seen by at least two views
