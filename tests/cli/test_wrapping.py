from pathlib import Path

import pytest
from rich.cells import cell_len

from ilrm_cli.cli.wrapping import wrapped

SENTENCE = "3 of 13 photos could not be placed; photos with more overlap would help, and `ilrm help poses` says why."


@pytest.mark.parametrize("width", [20, 60, 80])
def test_lines_break_between_words(width: int) -> None:
    lines = wrapped(SENTENCE, width).split("\n")
    assert " ".join(lines) == SENTENCE
    assert all(cell_len(line) <= width for line in lines)
    assert any("`ilrm help poses`" in line for line in lines)


def test_what_is_copied_stays_whole(tmp_path: Path) -> None:
    there = tmp_path / "my photos (august), the best of them.ply"
    there.touch()
    assert wrapped(f"1,000 Gaussians on the CPU: {there}", 40).split("\n")[-1] == str(there)
    command = f"ilrm view '{there}' --port 8000"
    assert wrapped(f"Look at it: {command}", 40).split("\n")[-1] == command
    assert wrapped("the scene 'a b c d e f g h' is there", 20).split("\n")[1] == "'a b c d e f g h' is"


def test_indents_stay_and_an_apostrophe_is_no_quotation_mark() -> None:
    assert wrapped("    the photos' mean colours", 20).split("\n") == ["    the photos' mean", "    colours"]


def test_wide_characters_take_two_columns() -> None:
    assert wrapped("写真 写真 写真", 9).split("\n") == ["写真 写真", "写真"]


def test_no_text_is_one_empty_line() -> None:
    assert wrapped("", 80) == ""
