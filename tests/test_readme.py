"""The README and the help topics are true: the files they name exist, their commands parse, and the main two run."""

import re
import shlex
from pathlib import Path

import pytest
from typer.main import get_command

from ilrm_cli.cli import app as on_demand
from ilrm_cli.cli.app import app
from ilrm_cli.cli.help import TOPICS, topic_text
from tests.cli.conftest import SAMPLES
from tests.support.command_line import ilrm

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = {"README": README} | {name: topic_text(name) for name in TOPICS}
EVERYTHING = "\n".join(PAGES.values())
MOST_LINES, MOST_CHARACTERS = 200, 120
MODELS = ("list", "info", "pull", "verify")


def command_lines(page: str) -> list[str]:
    """Return the lines of indented blocks that call us."""
    return [line.strip() for line in page.splitlines() if line.startswith("    ilrm ")]


def arguments(line: str) -> list[str]:
    words = shlex.split(line.split("  #")[0])
    return words[1 : words.index(">")] if ">" in words else words[1:]


def known_options(words: list[str]) -> set[str]:
    """Return the options that these words could have, after the command that they begin with."""
    command = get_command(app)
    for word in words:
        found = command.get_command(None, word) if hasattr(command, "get_command") else None
        command = found or command
    options = {option for given in command.params for option in (*given.opts, *given.secondary_opts)}
    return options | {"--help", "-h"}


@pytest.mark.parametrize("line", [line for page in PAGES.values() for line in command_lines(page)])
def test_command_lines_parse(line: str) -> None:
    name, *rest = arguments(line)
    if name.startswith("-"):
        assert name in known_options([])
        return
    context = get_command(app).make_context("ilrm", [name, *rest])
    context = on_demand.command(name).make_context(name, list(rest), parent=context)
    if name == "models":
        name, command, rest = context.command.resolve_command(context, rest)
        command.make_context(name, rest, parent=context)


def test_commands_within_sentences_have_their_options() -> None:
    mentioned = re.findall(r"`ilrm ((?:[a-z]+\b)[^`]*)`", EVERYTHING)
    assert len(mentioned) > 30
    for words in map(shlex.split, mentioned):
        assert words[0] in on_demand.SENTENCES, words
        assert {word for word in words if word.startswith("-")} <= known_options(words), words


@pytest.mark.parametrize("name", [*on_demand.SENTENCES, *(f"models {name}" for name in MODELS)])
def test_every_command_is_documented(name: str) -> None:
    assert f"ilrm {name}" in EVERYTHING


@pytest.mark.usefixtures("tiny_efforts")
def test_the_two_commands_of_the_first_screen_run(tmp_path, monkeypatch, tiny_efforts):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").symlink_to(SAMPLES / "posed")
    reconstruct, render = command_lines(README)[:2]
    assert ilrm(*arguments(reconstruct), "--size", "64").status == 0
    assert ilrm(*arguments(render), "--size", "64x48", "--seconds", "0.2").status == 0
    assert {p.name for p in tmp_path.iterdir()} == {"photos", "scene.ply", "scene.json", "orbit.mp4"}


def test_the_files_they_name_exist():
    named = re.findall(r"`((?:ilrm_cli|tests|sample_scenes)/[\w./]+)`|\]\((?!http)([^)]+)\)", EVERYTHING)
    paths = [one or other for one, other in named]
    assert len(paths) >= 8
    assert not [path for path in paths if not (ROOT / path).exists()]


def test_the_modules_they_run_exist():
    named = re.findall(r"-m (ilrm_cli[\w.]+)", EVERYTHING)
    assert named
    assert not [name for name in named if not (ROOT / f"{name.replace('.', '/')}.py").is_file()]


def test_make_targets_exist():
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"`make ([\w-]+)`", EVERYTHING):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_extras_exist():
    project = (ROOT / "pyproject.toml").read_text()
    extras = set(re.findall(r"ilrm\[(\w+)\]", EVERYTHING))
    assert extras >= {"raw", "ray"}
    for extra in extras:
        assert re.search(rf"^{extra} = \[", project, re.MULTILINE), extra


def test_the_readme_is_short():
    assert README.count("\n") <= MOST_LINES


@pytest.mark.parametrize("name", PAGES)
def test_lines_fit(name: str) -> None:
    assert not [line for line in PAGES[name].splitlines() if len(line) > MOST_CHARACTERS]


def test_the_readme_names_the_topics_that_there_are():
    table = README.split("| to do | command | topic |")[1].split("\n\n")[0]
    last = [line.split("|")[-2] for line in table.splitlines()[2:]]
    assert sorted(re.findall(r"`([\w-]+)`", " ".join(last))) == sorted(TOPICS)


def test_pages_refer_to_topics_that_there_are():
    asked = re.findall(r"`ilrm help ([a-z-]+)`", EVERYTHING)
    assert len(asked) > 10
    assert set(asked) <= {*TOPICS, *on_demand.SENTENCES}


def test_the_readme_says_how_to_begin():
    assert "Two commands set everything up" in README
    assert "make demo" in README
    assert "make test" in README
    assert "## The code\n\n    ilrm_cli/\n" in README
    pinned = re.search(r"^torch==(\S+)", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    assert pinned
    assert f"pip install torch=={pinned[1]} " in README
