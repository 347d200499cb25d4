"""Names that other tools write, and the files that they mean."""

import json
import unicodedata
from pathlib import Path

import numpy as np
import pytest

from ilrm_cli.capture.load import gather
from ilrm_cli.capture.photos.folder import open_folder
from ilrm_cli.capture.photos.listing import Listing
from ilrm_cli.capture.photos.renamed import renamed_photos
from tests.support.photographed import cameras_on_an_arc, save_photos
from tests.support.posed_projects import colmap_project, counted, write_colmap


def found(root: Path, files: list[str], names: list[str]) -> dict[str, str]:
    for file in files:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).touch()
    return renamed_photos(root, names, Listing())


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("IMG_001.JPG", "img_001.jpg"),
        (unicodedata.normalize("NFD", "Zürich.jpg"), unicodedata.normalize("NFC", "Zürich.jpg")),
        (unicodedata.normalize("NFC", "Zürich.jpg"), unicodedata.normalize("NFD", "ZÜRICH.JPG")),
        ("a/b.jpg", "A\\B.jpg"),
        ("b.jpg", "/home/other/project/images/b.jpg"),
        ("images/b.jpg", "C:\\Users\\Other\\images\\b.jpg"),
        ("b.jpg", "b"),
        ("frame.001.jpg", "frame.001"),
        ("b.png", "b.jpg"),
        ("photos/b.jpg", "b.jpg"),
    ],
)
def test_spellings_of_one_name(tmp_path: Path, file: str, name: str) -> None:
    assert found(tmp_path, [file, "other.jpg"], [name]) == {name: file}


@pytest.mark.parametrize(
    ("files", "names"),
    [
        (["b.jpg"], ["b.jpg"]),  # nothing is missing
        (["B.jpg", "b.JPG"], ["b.jpg"]),  # two are meant
        (["one/b.jpg", "two/b.jpg"], ["/away/b.jpg"]),
        (["b.jpg"], ["x/b.jpg", "y/b.jpg"]),  # both claim one
        (["b.jpg"], ["b.jpg", "B.JPG"]),  # the first has it already
        (["depth/b.jpg"], ["images/b.jpg"]),  # no photo
        (["images/a.jpg", "images_2/b.jpg"], ["images/a.jpg", "images/b.jpg"]),  # b was taken away
    ],
)
def test_what_is_not_unique_is_not_guessed(tmp_path: Path, files: list[str], names: list[str]) -> None:
    assert found(tmp_path, files, names) == {}


def test_the_folder_with_most_of_the_names_is_meant(tmp_path: Path) -> None:
    names = [f"/away/images/{i}.jpg" for i in range(3)]
    files = [*(f"photos/{i}.jpg" for i in range(3)), "thumbs/0.jpg", "thumbs/1.jpg"]
    assert found(tmp_path, files, names) == {f"/away/images/{i}.jpg": f"photos/{i}.jpg" for i in range(3)}


@pytest.mark.parametrize("first", [3, 4, 6])
def test_names_without_a_folder_may_lie_in_several(tmp_path: Path, first: int) -> None:
    """In each folder once; as many in both, or most of them in one."""
    files = [f"{'100' if i < first else '101'}MEDIA/{i}.JPG" for i in range(7)]
    assert found(tmp_path, files, [str(i) for i in range(7)]) == {Path(file).stem: file for file in files}


@pytest.mark.parametrize(
    ("files", "names", "meant"),
    [
        (["one/0.jpg", "one/1.jpg", "two/1.jpg", "two/2.jpg"], ["0", "1", "2"], {"0": "one/0.jpg", "2": "two/2.jpg"}),
        (["one/0.jpg", "one/1.jpg", "small/1.jpg"], ["0", "1"], {"0": "one/0.jpg", "1": "one/1.jpg"}),  # copies
        (["0.jpg", "out/1.jpg"], ["0.jpg", "1.jpg"], {}),  # the folder that is stated has one of them
    ],
)
def test_ties_of_names_without_a_folder(tmp_path: Path, files: list[str], names: list[str], meant: dict) -> None:
    assert found(tmp_path, files, names) == meant


@pytest.mark.parametrize(
    ("files", "name", "meant"),
    [
        (["a.jpg", "all/b.jpg"], "all/a", "a.jpg"),
        (["day/one/a.jpg", "day/two/a.jpg"], "two/a", "day/two/a.jpg"),
        (["day/one/a.jpg", "day/two/a.jpg"], "three/a", None),
        (["day/one/a.jpg", "day/two/b.jpg"], "two/a", None),
        (["b.jpg", "more/a.jpg"], "a", "more/a.jpg"),
    ],
)
def test_folders_of_bare_names_settle_ties(tmp_path: Path, files: list[str], name: str, meant: str | None) -> None:
    for file in files:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).touch()
    others = ["two/b"] if "day/two/b.jpg" in files else ["b"] if "b.jpg" in files else []
    told = renamed_photos(tmp_path, [name, *others], Listing(), bare=True)
    assert told.get(name) == meant


@pytest.mark.parametrize(
    ("files", "meant"),
    [
        (["a.JPG", "a.DNG"], "a.JPG"),
        (["a.heic", "a.jpg", "a.dng"], "a.jpg"),
        (["a.HEIC", "a.DNG"], "a.HEIC"),
        (["in/a.jpg", "in/a.arw"], "in/a.jpg"),
        (["a.jpg", "a.png"], None),
    ],
)
def test_of_files_of_one_shot_the_plainest_is_meant(tmp_path: Path, files: list[str], meant: str | None) -> None:
    assert found(tmp_path, files, ["a"]).get("a") == meant


@pytest.mark.parametrize("spelling", [str.upper, lambda name: f"D:\\shots\\{name}", lambda name: Path(name).stem])
def test_a_model_whose_names_are_spelt_otherwise_is_used_and_that_is_said(tmp_path: Path, spelling) -> None:
    poses = cameras_on_an_arc(3)
    paths = save_photos(tmp_path / "images", poses)
    write_colmap(tmp_path / "sparse" / "0", [spelling(path.name) for path in paths], poses)
    capture = gather(open_folder(tmp_path))
    assert [photo.name for photo in capture.photos] == [path.name for path in paths]
    for photo, pose in zip(capture.photos, poses, strict=True):
        np.testing.assert_allclose(photo.world_from_cam, pose, atol=1e-9)
    assert "have other names here; used are photo_000.png for" in capture.warnings[0]
    counted(capture)


@pytest.mark.parametrize(
    ("encoding", "newline"), [("utf-8-sig", "\n"), ("utf-8-sig", "\r\n"), ("utf-16", "\r\n"), ("latin-1", "\n")]
)
def test_text_models_as_windows_writes_them(tmp_path: Path, encoding: str, newline: str) -> None:
    poses = colmap_project(tmp_path)
    (tmp_path / "images" / "photo_001.png").rename(tmp_path / "images" / "Zürich.png")
    for part in ("cameras", "images", "points3D"):
        file = tmp_path / "sparse" / "0" / f"{part}.txt"
        text = file.read_text().replace("photo_001", "Zürich")
        file.write_bytes(text.replace("\n", newline).encode(encoding))
    capture = gather(open_folder(tmp_path))
    assert sorted(photo.name for photo in capture.photos) == [
        "Zürich.png", "photo_000.png", "photo_002.png", "photo_003.png",
    ]  # fmt: skip
    assert capture.warnings == ()
    turned = next(photo for photo in capture.photos if photo.name == "Zürich.png")
    np.testing.assert_allclose(turned.world_from_cam, poses[1], atol=1e-9)


def test_a_model_without_points_is_one_with_an_empty_file(tmp_path: Path, sample_model: Path) -> None:
    colmap_project(tmp_path / "text")
    (tmp_path / "text" / "sparse" / "0" / "points3D.txt").unlink()
    assert len(gather(open_folder(tmp_path / "text")).photos) == 4
    (sample_model / "sparse" / "0" / "points3D.bin").unlink()
    capture = gather(open_folder(sample_model))
    assert (len(capture.photos), len(capture.points)) == (12, 0)


def test_a_transforms_json_with_a_byte_order_mark_and_paths_of_another_computer(tmp_path: Path) -> None:
    poses = cameras_on_an_arc(3)
    paths = save_photos(tmp_path / "images", poses)
    frames = [
        {"file_path": f"C:\\work\\images\\{path.stem.upper()}", "transform_matrix": pose.tolist()}
        for path, pose in zip(paths, poses, strict=True)
    ]
    text = json.dumps({"camera_angle_x": 0.8, "frames": frames}, indent=1).replace("\n", "\r\n")
    (tmp_path / "transforms.json").write_bytes(text.encode("utf-8-sig"))
    capture = gather(open_folder(tmp_path))
    assert [photo.name for photo in capture.photos] == [f"images/{path.name}" for path in paths]
    assert "have other names here" in capture.warnings[0]


@pytest.fixture
def sample_model(tmp_path: Path) -> Path:
    """Return a copy of the posed sample scene."""
    source = Path(__file__).parents[2] / "sample_scenes" / "posed"
    target = tmp_path / "sample"
    for file in source.rglob("*"):
        if file.is_file():
            (target / file.relative_to(source)).parent.mkdir(parents=True, exist_ok=True)
            (target / file.relative_to(source)).write_bytes(file.read_bytes())
    return target
