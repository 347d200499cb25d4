"""Tests of what a mistyped command line is answered."""

import sys
from collections.abc import Iterator

import pytest

from ilrm_cli.cli import usage
from ilrm_cli.cli.app import USAGE_ERROR
from tests.support.command_line import commands, ilrm


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["batch", "a", "--quality", "best"], "'best' is not one of 'draft', 'standard', 'high'."),
        (["refine", "x.ply", "--refine", "30", "-o", "y.ply"], "; a scene is fitted further with --quality high or"),
        (["refine", "x.ply"], "'--output' / '-o'; name the scene to write, as in -o better.ply."),
        (["export", "x.ply"], "'--output' / '-o'; name the file to write, as in -o scene.html"),
        (
            ["render", "x.ply", "--size", "big"],
            "'big' is neither a long side in px, such as 960, nor WIDTHxHEIGHT, nor",
        ),
        (
            ["reconstruct", "x", "--size", "960x540"],
            "whole number; it is the long side in px, such as 640, and the shape is that of the photos.",
        ),
        (["synth", "x", "--size", "960x540"], "such as 640, and the shape is that of --aspect."),
        (["reconstruct", "x", "--fps", "fast"], "'--fps': give a number."),
        (["reconstrct", "x"], "No such command 'reconstrct'. Did you mean 'reconstruct'?"),
        (["models", "pul", "x"], "No such command 'pul'. Did you mean 'pull'?"),
        (["reconstruct", "x", "--qualty", "high"], "No such option: --qualty (Possible options: --quality"),
        (["."], "No such command '.'; a folder of photos becomes a scene by ilrm reconstruct .."),
    ],
)
def test_one_sentence_says_what_to_type(arguments, sentence):
    done = ilrm(*arguments)
    assert done.status == 2
    (error,) = (line for line in done.err.splitlines() if line.startswith("Error: "))
    assert sentence in error
    assert "Value error" not in error


def test_a_terminal_breaks_it_between_words(monkeypatch):
    monkeypatch.setattr(usage.shutil, "get_terminal_size", lambda: usage.shutil.os.terminal_size((40, 24)))
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    said = usage.plainer(USAGE_ERROR("Invalid value for '--quality': 'best' is not one of 'draft', 'high'."))
    assert said == "Invalid value for '--quality':\n'best' is not one of 'draft', 'high'."


def test_an_output_without_a_suffix_is_told_which_to_add(tmp_path):
    done = ilrm("reconstruct", tmp_path, "-o", tmp_path / "scene")
    assert "scene: add a suffix, such as .ply; scenes are kept as" in done.sentence


@pytest.mark.parametrize(
    ("words", "before"),
    [
        (("render", "scene.ply", "-o", ""), "-o"),
        (("render", "scene.ply", "--output="), "--output"),
        (("reconstruct", ""), "reconstruct"),
        (("", "photos"), "ilrm"),
        (("models", "show", ""), "show"),
    ],
)
def test_a_variable_that_is_not_set_means_no_folder(words, before, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = ilrm(*words)
    assert done.status == 2
    assert f"What follows {before} is empty" in " ".join(done.err.split())
    assert not list(tmp_path.iterdir())


def numbers(kind: type) -> Iterator[tuple[str, str]]:
    """Return every option that takes a number of this kind, behind its command."""
    for name, one in commands().items():
        for option in getattr(one, "params", []):
            if option.type_descriptor.annotation in (kind, list[kind]):
                yield name, max(option.opts, key=len)


ABSURD = [(*place, number) for place in numbers(float) for number in ("inf", "nan", "1e400")]
ABSURD += [(*place, "99999999999999999999") for place in numbers(int)]


@pytest.mark.parametrize(("command", "option", "number"), ABSURD)
def test_numbers_have_an_end(command, option, number):
    done = ilrm(*command.split(), *["x"] * 3, option, number)
    assert done.status == 2, done.err
    assert f"Invalid value for '{option}'" in done.err.replace("\n", " ")
