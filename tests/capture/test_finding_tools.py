"""Which files beside photos are taken for the poses of other tools, and which are passed over."""

import errno
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

from ilrm_cli.capture.load import gather
from ilrm_cli.capture.photos.folder import PoseSettings, open_folder
from ilrm_cli.runtime.errors import InputError
from tests.support.photographed import FOCAL, HEIGHT, WIDTH, save_photos
from tests.support.posed_projects import counted, write_colmap
from tests.support.tool_projects import NAMES, PINHOLE, POSES, TOOLS, transforms


@pytest.mark.parametrize("tool", TOOLS)
def test_capital_suffixes_and_files_of_macos_change_nothing(tmp_path: Path, tool: str) -> None:
    """macOS leaves a hidden file beside each on disks of other systems."""
    TOOLS[tool](tmp_path)
    for path in [path for path in tmp_path.rglob("*") if path.suffix in (".png", ".jpg", ".json", ".xml", ".csv")]:
        path.with_name(f"._{path.name}").write_bytes(b"\0\5\x16\7")
        if path.name not in ("reconstruction.json", "cameras.json"):
            path.rename(path.with_suffix(path.suffix.upper()))
    capture = gather(open_folder(tmp_path))
    assert [Path(photo.name).stem for photo in capture.photos] == [name[:-4] for name in NAMES]


@pytest.mark.parametrize("tool", ["realitycapture", "metashape", "arkit", "bundler"])
def test_poses_beside_photos_in_the_folder_of_a_project(tmp_path: Path, tool: str) -> None:
    """ARKit's do not have to be the first file with the name of a photo."""
    TOOLS[tool](tmp_path / "images")
    (tmp_path / "images" / "a.png").write_bytes((tmp_path / "images" / NAMES[0]).read_bytes())
    (tmp_path / "images" / "a.json").write_text("{}")
    capture = gather(open_folder(tmp_path))
    assert (capture.origin, [photo.name for photo in capture.photos]) == (tool, NAMES)


def test_a_model_and_a_transforms_json_beside_photos_in_the_folder_of_a_project(tmp_path: Path) -> None:
    images = tmp_path / "images"
    transforms("images/transforms.json")(tmp_path)
    assert gather(open_folder(tmp_path)).origin == "transforms"
    write_colmap(images, NAMES, POSES)
    assert gather(open_folder(tmp_path)).origin == "colmap"


@pytest.mark.parametrize("tool", TOOLS)
def test_poses_one_folder_down(tmp_path: Path, tool: str) -> None:
    """As an archive is unpacked: into a folder of its name."""
    TOOLS[tool](tmp_path / "place" / "scan")
    (tmp_path / "place" / "__MACOSX").mkdir()
    capture = gather(open_folder(tmp_path / "place"))
    assert (capture.origin, len(capture.photos)) == (tool, 3)
    assert {file.suffix for file in open_folder(tmp_path / "place").inputs} - {".png", ".jpg"}
    for other in ("other.png", "other.mp4"):
        (tmp_path / "place" / other).touch()
        assert open_folder(tmp_path / "place").tool is None
        (tmp_path / "place" / other).unlink()


def test_a_file_beside_photos_in_the_only_folder_is_named_once(tmp_path: Path) -> None:
    save_photos(tmp_path / "images", POSES)
    (tmp_path / "images" / "project.psx").touch()
    assert len(open_folder(tmp_path).not_read) == 1


def test_a_log_of_a_flight_comes_after_poses_of_colmap(tmp_path: Path) -> None:
    TOOLS["images.txt"](tmp_path)
    (tmp_path / "log.csv").write_text("name,x,y,alt,heading,pitch,roll\na.jpg,0,0,0,0,0,0\n")
    tool = open_folder(tmp_path).tool
    assert tool is not None
    assert tool.tool == "images.txt"


def test_bundler_with_a_byte_order_mark(tmp_path: Path) -> None:
    TOOLS["bundler"](tmp_path)
    file = tmp_path / "bundle.out"
    file.write_text(file.read_text(), encoding="utf-8-sig")
    assert gather(open_folder(tmp_path)).origin == "bundler"


def test_a_table_of_reality_capture_as_other_languages_write_it(tmp_path: Path) -> None:
    TOOLS["realitycapture"](tmp_path)
    file = tmp_path / "cameras.csv"
    head, *rows = file.read_text(encoding="utf-8-sig").splitlines()
    rows = [row.replace(",", ";").replace(".", ",").replace(",png", ".png") for row in rows]
    file.write_text("\n".join([head, *rows, "# the end"]))
    for photo, pose in zip(gather(open_folder(tmp_path)).photos, POSES, strict=True):
        np.testing.assert_allclose(photo.world_from_cam, pose, atol=1e-9)


def without_lenses(folder: Path) -> Path:
    """Write a table of RealityCapture with poses alone."""
    TOOLS["realitycapture"](folder)
    file = folder / "cameras.csv"
    rows = [row.split(",")[:7] for row in file.read_text(encoding="utf-8-sig").splitlines()]
    file.write_text("\n".join(map(",".join, rows)))
    return file


def test_a_table_of_reality_capture_without_lenses_needs_them(tmp_path: Path) -> None:
    file = without_lenses(tmp_path)
    folder = open_folder(tmp_path)
    with pytest.raises(InputError, match=r"no lenses \(no column f\), .* --camera gives a lens"):
        gather(folder, PoseSettings("other"))
    camera = f"PINHOLE {FOCAL},{FOCAL},{WIDTH / 2},{HEIGHT / 2}"
    folder.require(camera=camera)
    capture = gather(folder, PoseSettings(camera=camera))
    assert [photo.lens for photo in capture.photos] == [PINHOLE] * 3
    for photo, pose in zip(capture.photos, POSES, strict=True):
        np.testing.assert_allclose(photo.world_from_cam, pose, atol=1e-9)
    head, *rows = file.read_text().splitlines()[1:]
    turned = [f"{row.rsplit(',', 3)[0]},0,0,{70 * number}" for number, row in enumerate(rows)]
    file.write_text("\n".join([head, *turned]))
    with pytest.raises(InputError, match="which do not fit the photos"):
        gather(open_folder(tmp_path), PoseSettings("other", camera=camera))
    for name in NAMES:
        Image.new("RGB", (WIDTH, HEIGHT)).save(tmp_path / name)
    with pytest.raises(InputError, match="nothing tells if they fit the photos: it is not read; --poses sfm finds"):
        gather(open_folder(tmp_path), PoseSettings("other", camera=camera))
    file.write_text(file.read_text().replace("photo_00", "away_0"))
    with pytest.raises(InputError, match=r"none of its photos \(away_00.png, .* is in .* put them there"):
        gather(open_folder(tmp_path), PoseSettings("other", camera=camera))
    TOOLS["opensfm"](tmp_path)
    assert gather(open_folder(tmp_path)).origin == "opensfm"


def test_a_row_of_a_table_whose_lens_is_not_known_is_left_out(tmp_path: Path) -> None:
    TOOLS["realitycapture"](tmp_path)
    file = tmp_path / "cameras.csv"
    *head, first, second, third = file.read_text(encoding="utf-8-sig").splitlines()
    strange = [*first.split(",")[:10], "0", "0", "0", "-1e6", "0", "0"]
    file.write_text("\n".join([*head, ",".join(strange), second, third]))
    capture = gather(open_folder(tmp_path))
    assert [photo.name for photo in capture.photos] == NAMES[1:]
    assert "leaves hardly anything" in capture.warnings[0]
    assert f"these are left out: {NAMES[0]}." in capture.warnings[0]
    counted(capture)


def test_lenses_of_a_table_may_be_the_photos_own(tmp_path: Path) -> None:
    """One photo does not state its lens."""
    without_lenses(tmp_path)
    exif = Image.Exif()
    exif[ExifTags.Base.Model] = "camera"
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.FocalLengthIn35mmFilm] = round(FOCAL * 36 / WIDTH)
    for name in NAMES[1:]:
        Image.open(tmp_path / name).save(tmp_path / name, exif=exif)
    capture = gather(open_folder(tmp_path))
    assert [photo.name for photo in capture.photos] == NAMES[1:]
    assert [(left.name, left.reason) for left in capture.left_out] == [(NAMES[0], "nothing tells its lens")]
    counted(capture)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("images.txt", "photo_000.png\nphoto_001.png\n"),
        ("images.txt", "# photos\n1 photo_000.png taken on a Sunday with 50 mm and f 8\n"),
        ("sparse/images.txt", ""),
        ("metadata.json", '{"photo_000": {"camera_id": 1, "warp_id": 2}}'),
        ("reconstruction.json", "[1, 2, 3]"),
        ("cameras.json", '[{"name": "left"}]'),
        ("export.csv", "name,x,y\na,1,2"),
        ("notes.xml", "<document><page/></document>"),
        ("nohup.out", "done"),
    ],
)
def test_files_of_such_names_that_are_something_else_are_passed_over(tmp_path: Path, name: str, content: str) -> None:
    save_photos(tmp_path / "rgb", POSES)
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text(content)
    assert open_folder(tmp_path).tool is None


@pytest.mark.parametrize("name", ["a.csv", "a.xml", "a.out", "a.json", "images.txt", "cameras.json", "photo_000.xmp"])
def test_files_that_cannot_be_read_are_passed_over(tmp_path: Path, name: str, monkeypatch) -> None:
    save_photos(tmp_path, POSES)
    (tmp_path / name).touch()
    usual = Path.open

    def refuse(path: Path, *arguments: object, **more: object) -> object:
        if path.name == name:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return usual(path, *arguments, **more)

    monkeypatch.setattr(Path, "open", refuse)
    found = open_folder(tmp_path)
    assert (found.tool, found.not_read) == (None, ())
    assert len(found.photos) == 3


def test_what_is_recognised_and_not_read_is_named_before_poses_are_found(tmp_path: Path) -> None:
    save_photos(tmp_path, POSES)
    (tmp_path / "project.psx").touch()
    (tmp_path / "photo_000.xmp").write_text("<rdf><xcr:Rotation>1 0 0</xcr:Rotation></rdf>")
    (tmp_path / "notes.xml").write_text("<notes/>")
    (tmp_path / "table.csv").write_text("a,b,c")
    metashape_file, side_files = open_folder(tmp_path).not_read
    assert "project.psx is a project of Metashape" in metashape_file
    assert "photo_000.xmp and others are side files of RealityCapture" in side_files
    assert open_folder(tmp_path).tool is None
    with pytest.raises(InputError, match="no poses of another tool"):
        gather(open_folder(tmp_path), PoseSettings("other"))
