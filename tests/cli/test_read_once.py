"""A run looks through the folder of photos once."""

import shutil

import pytest

from tests.cli.conftest import SAMPLES
from tests.support.command_line import ilrm
from tests.support.watched_files import watched

OPTIONS = ("--views", "3", "--size", "64", "--no-auto-scale")


@pytest.fixture
def project(tmp_path):
    """Return a project with a folder of masks and reduced copies beside its photos, and a COLMAP model."""
    folder = shutil.copytree(SAMPLES / "posed", tmp_path / "project")
    shutil.copytree(folder / "images", folder / "images_2")
    (folder / "masks").mkdir()
    return folder


def listings(place, output) -> dict[str, int]:
    """Reconstruct with a report and return how often each folder at and below the place was listed."""
    with watched(place) as seen:
        done = ilrm("reconstruct", place, "-o", output, "--report", output.with_suffix(".html"), *OPTIONS)
    assert done.status == 0, done.err
    return dict(seen.listings)


def test_photos_without_poses_are_listed_once(tmp_path):
    photos = shutil.copytree(SAMPLES / "photos", tmp_path / "photos")
    assert listings(photos, tmp_path / "s.ply") == {".": 1}


def test_a_project_with_a_colmap_model_is_listed_once(project, tmp_path):
    folders = (".", "images", "images_2", "masks", "sparse", "sparse/0")
    assert listings(project, tmp_path / "s.ply") == dict.fromkeys(folders, 1)


def test_a_project_with_transforms_is_listed_once(project, tmp_path):
    assert ilrm("pose", project, "-o", tmp_path / "posed").status == 0
    shutil.copy(tmp_path / "posed" / "transforms.json", project)
    shutil.rmtree(project / "sparse")
    assert listings(project, tmp_path / "s.ply") == dict.fromkeys((".", "images", "images_2", "masks"), 1)


def test_the_photos_of_a_project_are_listed_once(project, tmp_path):
    """The model and the masks lie beside them."""
    assert listings(project / "images", tmp_path / "s.ply") == {".": 1}
