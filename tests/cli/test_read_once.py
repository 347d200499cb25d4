"""A run looks through the folder of photos once, hashes each photo once and decodes it as seldom as it can."""

import shutil

import pytest
from PIL import Image

from tests.cli.conftest import SAMPLES
from tests.support.command_line import ilrm
from tests.support.watched_files import Seen, watched

QUICK = ("--quality", "draft", "--views", "3", "--no-auto-scale")


@pytest.fixture
def project(tmp_path):
    """Return a project with a folder of masks and reduced copies beside its photos, and a COLMAP model."""
    folder = shutil.copytree(SAMPLES / "posed", tmp_path / "project")
    shutil.copytree(folder / "images", folder / "images_2")
    (folder / "masks").mkdir()
    return folder


def seen_in(place, output, *options) -> Seen:
    """Reconstruct with a report and return what was done with the files of the place."""
    with watched(place) as seen:
        done = ilrm("reconstruct", place, "-o", output, "--report", output.with_suffix(".html"), *QUICK, *options)
    assert done.status == 0, done.err
    return seen


def listings(place, output) -> dict[str, int]:
    return dict(seen_in(place, output, "--size", "64").listings)


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


@pytest.mark.parametrize(
    ("times", "decodes"), [(1, 1), *(pytest.param(*row, marks=pytest.mark.slow) for row in ((2, 2), (4, 3)))]
)
def test_photos_without_poses_are_hashed_once_and_decoded_once_at_each_size(tmp_path, monkeypatch, times, decodes):
    """Photos of 480, 960 and 1920 px, which are looked at, posed and given to the model at other sizes."""
    monkeypatch.setenv("ILRM_CACHE", str(tmp_path / "cache"))
    (tmp_path / "photos").mkdir()
    for file in sorted((SAMPLES / "photos").iterdir()):
        with Image.open(file) as image:
            enlarged = image.resize((image.width * times, image.height * times), Image.Resampling.BICUBIC)
            enlarged.save(tmp_path / "photos" / file.name, quality=95)
    seen = seen_in(tmp_path / "photos", tmp_path / "s.ply")
    assert set(seen.hashed.values()) == {1}
    assert set(seen.decoded.values()) == {decodes}
    assert set(seen.opened.values()) == {decodes + 2}  # for the header and for the hash
