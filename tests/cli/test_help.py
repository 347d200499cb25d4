"""Golden tests of the help texts; `ILRM_WRITE_GOLDEN=1 pytest tests/cli/test_help.py` rewrites them for review."""

import os
from pathlib import Path

import pytest

from ilrm_cli.cli import app
from tests.support.command_line import commands, ilrm

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.mark.parametrize("command", ["", *commands()])
def test_help(command, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    shown = ilrm(*command.split(), "--help")
    assert shown.status == 0
    text = "\n".join(line.rstrip() for line in shown.out.splitlines()) + "\n"
    golden = GOLDEN / f"help_{command.replace(' ', '_') or 'ilrm'}.txt"
    if os.environ.get("ILRM_WRITE_GOLDEN"):
        golden.write_text(text)
    assert text == golden.read_text()


def test_the_list_of_commands_says_what_each_says_of_itself():
    for name, sentence in app.SENTENCES.items():
        told = app.command(name).help or ""
        assert " ".join(told.split("\n\n")[0].split()) == sentence


def test_wrong_usage_exits_with_2():
    for wrong in (
        ["reconstruct"],
        ["nonsense"],
        ["render", "a.ply", "--size", "big"],
        ["reconstruct", "x", "--device", "tpu"],
    ):
        assert ilrm(*wrong).status == 2


def test_version():
    assert ilrm("--version").out.startswith("ilrm 0.")
