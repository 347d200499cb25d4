"""The README is true: the files it names exist, its commands parse, and the main two run."""

import re
import shlex
from pathlib import Path

import pytest

from ilrm_cli.cli import on_demand
from tests.cli.conftest import SAMPLES
from tests.cli.run import ilrm

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
COMMANDS = [line.strip() for line in README.splitlines() if line.startswith("    ilrm ")]


def arguments(line: str) -> list[str]:
    words = shlex.split(line.split("  #")[0])
    return words[1 : words.index(">")] if ">" in words else words[1:]


@pytest.mark.parametrize("line", COMMANDS)
def test_commands_and_options_exist(line):
    name, *rest = arguments(line)
    command = on_demand.command(name)
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    assert {word for word in rest if word.startswith("-")} <= known


def test_the_two_commands_of_the_first_screen_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").symlink_to(SAMPLES / "posed")
    reconstruct, render = COMMANDS[:2]
    assert ilrm(*arguments(reconstruct), "--size", "64").status == 0
    assert ilrm(*arguments(render), "--size", "64x48", "--seconds", "0.2").status == 0
    assert {p.name for p in tmp_path.iterdir()} == {"photos", "scene.ply", "scene.json", "orbit.mp4"}


def test_the_files_it_names_exist():
    named = re.findall(r"`((?:ilrm_cli|tests|sample_scenes)/[\w./]+)`|\]\((?!http)([^)]+)\)", README)
    paths = [one or other for one, other in named]
    assert len(paths) >= 4
    assert not [path for path in paths if not (ROOT / path).exists()]


def test_make_targets_exist():
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"`make ([\w-]+)`", README):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
