import numpy as np
import pycolmap
import pytest
import torch
from PIL import Image

from ilrm_cli.data.synthetic.colmap_folder import POINTS, write_scene
from ilrm_cli.data.synthetic.dataset import Shooting, training_scene
from ilrm_cli.runtime.errors import InputError


@pytest.fixture(scope="module")
def scene():
    return training_scene(2, 1, Shooting(4, 96, 64))


def test_model_holds_the_true_cameras_and_points(tmp_path, scene):
    write_scene(tmp_path / "scene", scene.views, scene.depth)
    model = pycolmap.Reconstruction(str(tmp_path / "scene" / "sparse" / "0"))
    cameras = scene.views.cameras
    assert model.num_reg_images() == 4
    for image in model.images.values():
        index = int(image.name[:3]) - 1
        np.testing.assert_allclose(image.cam_from_world().matrix(), cameras.cam_from_world[index, :3], atol=1e-5)
        lens = model.cameras[image.camera_id]
        np.testing.assert_allclose(lens.params, [*cameras.focal_px[index], *cameras.center_px[index]], rtol=1e-6)
    assert POINTS / 2.5 < model.num_points3D() <= POINTS
    assert model.compute_mean_track_length() >= 2
    model.update_point_3d_errors()
    assert model.compute_mean_reprojection_error() < 1e-3


def test_photos_are_the_pictures(tmp_path, scene):
    write_scene(tmp_path / "photos", scene.views)
    assert sorted(p.name for p in (tmp_path / "photos").iterdir()) == [f"{k:03}.jpg" for k in (1, 2, 3, 4)]
    pixels = torch.from_numpy(np.array(Image.open(tmp_path / "photos" / "002.jpg"))).permute(2, 0, 1) / 255
    assert (pixels - scene.views.images[1]).square().mean() < 1e-3


def test_existing_folder_is_left_alone(tmp_path, scene):
    (tmp_path / "there").mkdir()
    with pytest.raises(InputError, match="exists already"):
        write_scene(tmp_path / "there", scene.views)
    assert list(tmp_path.iterdir()) == [tmp_path / "there"]
