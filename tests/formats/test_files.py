from pathlib import Path

import pytest

from ilrm_cli.errors import InputError
from ilrm_cli.formats.files import SUFFIXES, decode_scene, suffix_of


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_suffixes_are_told_in_any_case(suffix: str) -> None:
    assert suffix_of(Path(f"a/b.c{suffix}")) == suffix
    assert suffix_of(Path(f"B{suffix.upper()}")) == suffix


@pytest.mark.parametrize("name", ["a.obj", "ply", "a", ".ply", "a.ply.gz"])
def test_unknown_suffixes(name: str) -> None:
    with pytest.raises(InputError, match=r"is unknown; scenes are kept as \.ply"):
        suffix_of(Path(name))


def test_missing_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        decode_scene(tmp_path / "none.ply")
    with pytest.raises(InputError, match="is not a file"):
        decode_scene(tmp_path)
