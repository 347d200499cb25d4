"""Tests of what a report says besides pictures."""

import shlex
from dataclasses import fields
from pathlib import Path
from typing import Literal, get_args, get_origin, get_type_hints

from ilrm_cli.cli import app
from ilrm_cli.pipeline.settings import Settings
from ilrm_cli.visualize.report.content import command_of


def test_the_command_spells_out_what_is_not_usual(report):
    assert shlex.split(report.command)[:2] == ["ilrm", "reconstruct"]
    assert shlex.split(report.command)[5:] == ["--views", "2", "--refine", "5"]
    assert command_of(Path("a b"), Path("s.ply"), Settings()) == "ilrm reconstruct 'a b' -o s.ply"


def test_every_setting_is_an_option_of_the_command():
    """A new setting is thus either an option of its name or listed under OPTIONS."""
    hints = get_type_hints(Settings)
    changed = Settings(**{f.name: _another(hints[f.name], f.default) for f in fields(Settings)})
    words = shlex.split(command_of(Path("p"), Path("s"), changed))
    command = app.command("reconstruct")
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    used = {word for word in words if word.startswith("-")}
    assert used <= known
    assert len(used) == len(fields(Settings)) + 1  # and -o


def _another(hint, default):
    """Return a value of the type that is not the default."""
    if get_origin(hint) is Literal:
        return next(value for value in get_args(hint) if value != default)
    if get_args(hint):
        return _another(get_args(hint)[0], default)
    return {bool: not default, int: 77, float: 7.5, str: "other"}[hint]


def test_the_title_is_the_name_of_the_photos(report):
    assert report.title == "shoot"
