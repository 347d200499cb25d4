"""Tests of what changes the fingerprint of a scene's inputs, and what does not."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from ilrm_cli.capture.input_hash import inputs_sha256, poses_sha256
from ilrm_cli.capture.photos.folder import open_folder
from ilrm_cli.geometry.cameras import Lens
from ilrm_cli.geometry.views import Capture, PosedPhoto
from tests.cli.conftest import SAMPLES


@pytest.fixture
def project(tmp_path) -> Path:
    return Path(shutil.copytree(SAMPLES / "posed", tmp_path / "posed"))


def renamed(project: Path) -> None:
    (project / "images" / "001.jpg").rename(project / "images" / "0001.jpg")


def changed(project: Path) -> None:
    with (project / "images" / "001.jpg").open("ab") as file:
        file.write(b"\0")


def posed_anew(project: Path) -> None:
    with (project / "sparse" / "0" / "images.bin").open("ab") as file:
        file.write(b"\0")


def masked(project: Path) -> None:
    (project / "masks").mkdir()
    (project / "masks" / "001.png").write_bytes(b"a mask")


@pytest.mark.parametrize("change", [renamed, changed, posed_anew, masked])
def test_photos_names_masks_and_poses_count(project, change):
    before = inputs_sha256(open_folder(project))
    change(project)
    assert inputs_sha256(open_folder(project)) != before


def test_the_place_on_disk_and_what_is_made_beside_the_photos_do_not_count(project, tmp_path):
    before = inputs_sha256(open_folder(project))
    moved = project.rename(tmp_path / "elsewhere")
    for name in ("scene.ply", "scene.json", "orbit.mp4", ".hidden.jpg"):
        (moved / name).write_bytes(b"made")
    assert inputs_sha256(open_folder(moved)) == before


def test_poses_beside_the_folder_of_photos_count(project):
    before = inputs_sha256(open_folder(project / "images"))
    posed_anew(project)
    assert inputs_sha256(open_folder(project / "images")) != before


def test_a_file_with_the_lens_counts_by_its_content(project, tmp_path):
    lens = tmp_path / "cameras.txt"
    lens.write_text("1")
    before = inputs_sha256(open_folder(project), str(lens))
    lens.write_text("2")
    assert before != inputs_sha256(open_folder(project), str(lens)) != inputs_sha256(open_folder(project))


def test_a_video_counts_by_its_content(tmp_path):
    video = tmp_path / "walk.mp4"
    video.write_bytes(b"1")
    before = inputs_sha256(open_folder(video))
    video.write_bytes(b"2")
    assert inputs_sha256(open_folder(video)) != before


def test_masks_beside_the_folder_of_photos_count(project):
    before = inputs_sha256(open_folder(project / "images"))
    masked(project)
    assert inputs_sha256(open_folder(project / "images")) != before


def test_poses_are_told_apart_to_the_last_bit():
    def capture(x: float = 1.0, *, focal_px: float = 60.0, points: int = 3) -> Capture:
        pose = np.eye(4)
        pose[0, 3] = x
        photo = PosedPhoto("a.jpg", Path("a.jpg"), Lens("SIMPLE_PINHOLE", (focal_px, 32.0, 24.0), 64, 48), pose)
        return Capture((photo,), 1, "sfm", np.zeros((points, 3)))

    others = (capture(float(np.nextafter(1.0, 2.0))), capture(focal_px=61.0), capture(points=4))
    assert len({poses_sha256(one) for one in (capture(), *others)}) == 4
    assert poses_sha256(capture()) == poses_sha256(capture())
