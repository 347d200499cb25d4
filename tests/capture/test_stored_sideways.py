"""Photos whose EXIF data say that they are to be turned, with poses of the pixels as stored."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

from ilrm_cli.capture.load import gather
from ilrm_cli.capture.photos.folder import PoseSettings, open_folder
from ilrm_cli.capture.poses.lenses import turned_pose
from tests.support.photographed import FOCAL, HEIGHT, WIDTH
from tests.support.tool_projects import POSES, TOOLS, TURNED, images_txt, transforms


@pytest.mark.parametrize("tool", [*TOOLS, "transforms"])
def test_photos_stored_sideways(tmp_path: Path, tool: str) -> None:
    """Tools know the pixels as stored, whether they state a size or not; 6 is a quarter turn clockwise to upright."""
    TOOLS.get(tool, transforms("transforms.json"))(tmp_path)
    sideways(tmp_path)
    capture = gather(open_folder(tmp_path))
    turn = TURNED.get(tool, np.eye(3))
    for photo, pose in zip(capture.photos, POSES, strict=True):
        np.testing.assert_allclose(photo.world_from_cam[:3], turn @ turned_pose(pose, 3)[:3], atol=1e-9)
        assert photo.lens.params[2:] == pytest.approx((HEIGHT / 2, WIDTH / 2))


@pytest.mark.parametrize("center", [(150, 118), (122, 150)])
def test_a_lens_given_for_photos_stored_sideways(tmp_path: Path, center: tuple[int, int]) -> None:
    """It may be that of the photos as stored or that of the upright ones, where x is as far from the bottom."""
    images_txt(tmp_path)
    sideways(tmp_path)
    capture = gather(open_folder(tmp_path), PoseSettings(camera=f"PINHOLE {FOCAL},{FOCAL},{center[0]},{center[1]}"))
    for photo, pose in zip(capture.photos, POSES, strict=True):
        np.testing.assert_allclose(photo.world_from_cam, turned_pose(pose, 3), atol=1e-9)
        assert photo.lens.params == pytest.approx((FOCAL, FOCAL, 122, 150))


@pytest.mark.parametrize(("center", "turns"), [((150, 118), 3), ((118, 150), 0)])
def test_a_principal_point_tells_which_pixels_poses_without_a_size_are_of(tmp_path, center, turns):
    """It lies near the middle: of the photos as stored, or of the upright ones, as libraries of pictures load them."""
    transforms("transforms.json")(tmp_path)
    sideways(tmp_path)
    file = tmp_path / "transforms.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"cx": center[0], "cy": center[1]}))
    upright = center if turns == 0 else (HEIGHT - center[1], center[0])
    for photo, pose in zip(gather(open_folder(tmp_path)).photos, POSES, strict=True):
        np.testing.assert_allclose(photo.world_from_cam, turned_pose(pose, turns) if turns else pose, atol=1e-9)
        assert photo.lens.params[2:] == pytest.approx(upright)


def sideways(folder: Path) -> None:
    """Mark all photos as to be turned clockwise, without turning them."""
    for path in [path for path in folder.rglob("*") if path.suffix in (".png", ".jpg")]:
        image = Image.open(path)
        exif = image.getexif()
        exif.get_ifd(ExifTags.IFD.Exif)
        exif[ExifTags.Base.Orientation] = 6
        image.save(path, exif=exif)
