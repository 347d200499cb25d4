import unicodedata
from pathlib import Path, PurePosixPath

import pytest

from ilrm_cli.runtime.errors import InputError
from ilrm_cli.runtime.output_names import output_names, place_below

EVIL = [
    "/etc/passwd.jpg",
    "/home/me/photos/IMG_1.jpg",
    r"C:\Users\me\IMG_1.jpg",
    "D:IMG_1.jpg",
    r"\\server\share\IMG_1.jpg",
    "../../../IMG_2.jpg",
    "a/../../b/IMG_2.jpg",
    "..",
    "",
    "/",
    "CON",
    "nul.jpg",
    "sub/com1.png",
    "a:b?.jpg",
    "line\nbreak\x1b[31m.jpg",
    "ends. . ",
    "x/y.jpg",
    "x",
    "IMG_3.jpg",
    "img_3.JPG",
    "é.jpg",
    unicodedata.normalize("NFD", "é.jpg"),
    "Straße.jpg",
    "STRASSE.jpg",
    "n" * 300 + ".jpg",
    "n" * 301 + ".jpg",
    "not utf-8 \udcff.jpg",
]


def folded(name: str) -> str:
    return unicodedata.normalize("NFC", name.casefold())


@pytest.mark.parametrize("flat", [False, True])
def test_whatever_names_are_given_outputs_lie_below_and_differ(tmp_path: Path, flat: bool) -> None:
    names = output_names(EVIL, flat=flat)
    assert len({folded(name) for name in names}) == len(EVIL)
    for name in names:
        assert not PurePosixPath(name).is_absolute()
        assert ".." not in PurePosixPath(name).parts
        assert not (flat and "/" in name)
        path = place_below(tmp_path, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    assert sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file()) == sorted(names)


def test_safe_names_stay_as_they_are() -> None:
    safe = ["IMG_1.jpg", "a/1.png", "a/2.JPG", "ü b.webp", "images/2024-05-01 12.00.00.jpg", "写真.png"]
    assert output_names(safe) == safe


def test_known_values() -> None:
    assert output_names([r"C:\me\1.jpg", "/other/1.jpg", "../images/1.jpg"]) == ["1.jpg", "1_2.jpg", "images/1.jpg"]
    assert output_names(["aux.png", "a?.png", "IMG.jpg", "img.JPG"]) == ["_aux.png", "a_.png", "IMG.jpg", "img_2.JPG"]
    assert output_names(["a/b", "a_b"], flat=True) == ["a_b", "a_b_2"]


@pytest.mark.parametrize("name", ["../x.jpg", "/x.jpg", "", "out/x.jpg", "taken.jpg"])
def test_what_leads_out_is_refused(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "out").symlink_to(tmp_path)
    (folder / "taken.jpg").symlink_to(tmp_path / "x.jpg")
    with pytest.raises(InputError, match="would be written outside"):
        place_below(folder, name)
