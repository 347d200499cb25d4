"""Damaged photos and files of poses that other tools wrote: left out, or named in a sentence."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from ilrm_cli.capture.load import gather
from ilrm_cli.capture.photos.folder import open_folder
from ilrm_cli.runtime.errors import InputError
from tests.support.posed_projects import cut_short
from tests.support.tool_projects import TOOLS, images_txt, reality_capture, transforms


@pytest.mark.parametrize("write", [*TOOLS.values(), transforms("my_cameras.json")])
def test_a_damaged_photo_is_left_out_with_its_reason(tmp_path: Path, write: Callable[[Path], None]) -> None:
    write(tmp_path)
    damaged = [path for path in tmp_path.rglob("photo_001*") if path.suffix in (".png", ".jpg")]
    for path in damaged:
        cut_short(path)
    capture = gather(open_folder(tmp_path))
    assert [photo.name.split(".")[0][-3:] for photo in capture.photos] == ["000", "002"]
    assert ["cut short" in left.reason or "damaged" in left.reason for left in capture.left_out] == [True]


@pytest.mark.parametrize("tool", [tool for tool in TOOLS if tool != "images.txt"])
def test_damaged_files_are_named(tmp_path: Path, tool: str) -> None:
    TOOLS[tool](tmp_path)
    found = open_folder(tmp_path).tool
    assert found is not None
    file = found.files[0]
    file.write_bytes(file.read_bytes()[: file.stat().st_size * 2 // 3])
    with pytest.raises(InputError, match=file.name.replace(".", r"\.")):
        gather(open_folder(tmp_path))


def test_a_distortion_that_is_no_number_is_named(tmp_path: Path) -> None:
    reality_capture(tmp_path)
    file = tmp_path / "cameras.csv"
    lines = file.read_text(encoding="utf-8-sig").splitlines()
    file.write_text("\n".join([*lines[:2], lines[2].removesuffix("0,0,0") + "high,0,0", *lines[3:]]))
    with pytest.raises(InputError, match=r"cameras\.csv"):
        gather(open_folder(tmp_path))


def test_an_open_quote_is_damage(tmp_path: Path) -> None:
    reality_capture(tmp_path)
    with (tmp_path / "cameras.csv").open("a") as file:
        file.write('\n"' + 140_000 * "x")
    with pytest.raises(InputError, match=r"cameras\.csv are damaged"):
        gather(open_folder(tmp_path))


def test_a_name_that_no_file_can_have_is_left_out(tmp_path: Path) -> None:
    images_txt(tmp_path)
    images = tmp_path / "sparse" / "0" / "images.txt"
    images.write_text(images.read_text().replace("photo_002.jpg", "photo_002.jpg" * 100))
    capture = gather(open_folder(tmp_path))
    assert [photo.name for photo in capture.photos] == ["photo_000.jpg", "photo_001.jpg"]
    assert any("left out" in warning for warning in capture.warnings)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("number", ["1e308", "-1e200"])
@pytest.mark.parametrize("tool", TOOLS)
def test_absurd_numbers_are_refused_before_they_are_used(tmp_path: Path, tool: str, number: str) -> None:
    TOOLS[tool](tmp_path)
    found = open_folder(tmp_path).tool
    assert found is not None
    text = found.files[0].read_text(encoding="utf-8-sig")
    for match in list(re.finditer(r"-?\d\.\d{6,}", text))[:12]:
        found.files[0].write_text(text[: match.start()] + number + text[match.end() :])
        with pytest.raises(InputError, match=found.files[0].name.replace(".", r"\.")):
            gather(open_folder(tmp_path))


@pytest.mark.parametrize(
    ("number", "said"), [("0", "a quaternion has no direction"), ("nan", "not finite"), ("inf", "not finite")]
)
def test_a_quaternion_without_a_direction_is_damage(tmp_path: Path, number: str, said: str) -> None:
    images_txt(tmp_path)
    file = tmp_path / "sparse" / "0" / "images.txt"
    first, *others = file.read_text().splitlines()
    fields = first.split()
    file.write_text("\n".join([" ".join([fields[0], *[number] * 4, *fields[5:]]), *others]))
    with pytest.raises(InputError, match=r"images\.txt are damaged .* \(.*" + said):
        gather(open_folder(tmp_path))
