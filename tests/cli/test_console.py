import json
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from unittest.mock import Mock

import pytest
import typer
from rich.console import Console
from rich.progress import Progress

from ilrm_cli.cli.console import MOST_BARS, Face, _Time, face
from ilrm_cli.cli.reconstruct import STOPPING, fit_of_command
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.runtime.progress import Step
from ilrm_cli.runtime.signals import sigterm_kept


def shown_time(done: int, total: int | None, seconds: float) -> str:
    """Return the text beside the bar of a stage that reported every second."""
    now = [0.0]
    progress = Progress(get_time=lambda: now[0])
    task = progress.add_task("frames", total=total)
    for i in range(done):
        now[0] = seconds * (i + 1) / done
        progress.update(task, completed=i + 1)
    return _Time().render(progress.tasks[0]).plain


def test_the_time_that_is_left() -> None:
    assert shown_time(10, 40, seconds=10.0) == "0:00:30 left"


def test_too_little_to_foretell_the_end() -> None:
    assert shown_time(2, 40, seconds=2.0) == "0:00:02"


def test_the_time_taken_at_the_end_or_where_no_end_is_known() -> None:
    assert shown_time(40, 40, seconds=40.0) == "0:00:40"
    assert shown_time(10, None, seconds=10.0) == "0:00:10"


def twice_while_it_cleans_up(cleaned: list[str]) -> None:
    """Send SIGTERM several times, as schedulers may."""
    with face("render"):
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)
            cleaned.append("all")


def first_while_a_library_is_imported(cleaned: list[str]) -> None:
    """Send SIGTERM while a library is imported, after which the earlier handler is restored, and once more."""
    with face("render"):
        try:
            with sigterm_kept():
                os.kill(os.getpid(), signal.SIGTERM)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)
            cleaned.append("all")


def taken_for_a_failure(cleaned: list[str]) -> None:
    """Fail on the interrupt, as libraries do that are interrupted while they start."""
    with face("render", quiet=True):
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        except KeyboardInterrupt:
            cleaned.append("all")
            raise RuntimeError("cannot import the C++ backend") from None


@pytest.mark.parametrize("command", [twice_while_it_cleans_up, first_while_a_library_is_imported, taken_for_a_failure])
def test_sigterm_ends_a_command_in_order(
    command: Callable[[list[str]], None], capsys: pytest.CaptureFixture[str]
) -> None:
    before, cleaned = signal.getsignal(signal.SIGTERM), list[str]()
    with pytest.raises(typer.Exit) as ended:
        command(cleaned)
    assert ended.value.exit_code == 143
    assert cleaned == ["all"]
    assert capsys.readouterr().err == "stopped: nothing was written\n"
    assert signal.getsignal(signal.SIGTERM) == before


def test_ctrl_c_that_a_library_takes_for_a_failure_is_ctrl_c(capsys: pytest.CaptureFixture[str]) -> None:
    """As numpy does while it is imported: it looks for a name again and again."""

    def interrupted() -> None:
        with face("export"):
            try:
                os.kill(os.getpid(), signal.SIGINT)
            except KeyboardInterrupt:
                raise RecursionError from None

    with pytest.raises(typer.Exit) as ended:
        interrupted()
    assert ended.value.exit_code == 130
    assert capsys.readouterr().err == "stopped: nothing was written\n"


@pytest.mark.parametrize(("error", "status"), [(InputError("no."), "failed"), (KeyboardInterrupt(), "stopped")])
def test_the_last_words_are_whole_whatever_comes(
    error: BaseException, status: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write = sys.stdout.write

    def write_and_be_told_to_end(text: str) -> int:
        os.kill(os.getpid(), signal.SIGTERM)
        return write(text)

    monkeypatch.setattr(sys.stdout, "write", write_and_be_told_to_end)
    with pytest.raises((typer.Exit, KeyboardInterrupt)) as ended, face("render", as_json=True):
        raise error
    assert ended.type is typer.Exit
    assert json.loads(capsys.readouterr().out)["status"] == status


def test_a_command_that_ends_by_itself_at_sigterm_ends_well(capsys: pytest.CaptureFixture[str]) -> None:
    """The command `view` ends that way."""
    with face("view") as shown:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        except KeyboardInterrupt:
            shown.say("closed.")
    assert capsys.readouterr() == ("closed.\n", "")


def interrupt(says: str | None = None, state: Path | None = None) -> None:
    """Interrupt a command that says so of what it leaves, when its fit has kept a state."""
    with face("reconstruct") as shown, fit_of_command(shown) as running:
        shown.kept = shown.kept if says is None else says
        assert running.keeps is not None
        running.keeps.state = state
        raise KeyboardInterrupt


def test_what_was_begun_is_told_only_when_there_is_something(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A fit that goes on is spoken of when a state of it is kept, and files only where a command writes some."""
    (tmp_path / "mine.fit").touch()
    for says, state, end in (
        (None, None, ": nothing was written"),
        ("", None, ""),
        (None, tmp_path / "mine.fit", ": nothing was written; the same command goes on with the fit"),
        (None, tmp_path / "gone.fit", ": nothing was written"),
    ):
        with pytest.raises(typer.Exit):
            interrupt(says, state)
        assert capsys.readouterr().err == f"stopped{end}\n"


def test_bars_are_ended_even_if_the_first_is_not_drawn_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise the terminal would be left without its cursor."""
    ended = list[str]()
    monkeypatch.setattr(Progress, "add_task", Mock(side_effect=KeyboardInterrupt))
    monkeypatch.setattr(Progress, "stop", lambda bars: ended.append("bars"))
    monkeypatch.setenv("FORCE_COLOR", "1")  # a terminal, to rich
    with pytest.raises(typer.Exit), face("render") as shown, shown.progress() as report:
        report(Step("frames", 0, 2))
    assert ended == ["bars"]


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_a_fit_shows_how_far_how_good_and_how_long_on_terminals_of_any_width(columns: int) -> None:
    shown = Face("reconstruct", as_json=False, quiet=False, verbose=False)
    shown.err = Console(file=StringIO(), width=columns, force_terminal=True, color_system=None, highlight=False)
    with shown.progress() as report:
        report(Step("poses against the photos", 1, 1))  # the longest name of a stage
        report(Step("layer 4 of 4", 1, 1, "cross 2101, self 1687 ms so far"))
        for done in (400, 401):
            report(Step("fitting", done, 800, "28.31 dB, 131k Gaussians"))
    assert isinstance(shown.err.file, StringIO)
    last = [line for line in shown.err.file.getvalue().splitlines() if "fitting" in line][-1]
    assert re.search(r"fitting .*401/800 .* left 28\.31 dB", last), last
    assert ("━" in last) == (columns >= 80)


def test_a_terminal_is_told_at_once_what_is_read_and_a_log_is_not() -> None:
    shown = Face("render", as_json=False, quiet=False, verbose=False)
    for is_terminal, said in ((True, "reading a photo in a\\x1bb\n"), (False, "")):
        shown.err = Console(file=StringIO(), width=60, force_terminal=is_terminal, color_system=None)
        shown.reading("a photo in a\x1bb")
        assert isinstance(shown.err.file, StringIO)
        assert shown.err.file.getvalue() == said


def test_a_fit_that_ctrl_c_ends_early_says_so_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    """In one line above the bars; the command itself goes on to its end."""
    with face("reconstruct") as shown:
        shown.err = Console(file=StringIO(), width=200, force_terminal=True, color_system=None)
        with fit_of_command(shown) as running, shown.progress() as report, running.stopping() as stop:
            report(Step("fitting", 1, 100))
            before = set(threading.enumerate())
            os.kill(os.getpid(), signal.SIGINT)
            for teller in set(threading.enumerate()) - before:
                teller.join(timeout=10)
            assert stop.is_set()
            assert isinstance(shown.err.file, StringIO)
            assert STOPPING in shown.err.file.getvalue()
    assert capsys.readouterr().err == ""


def test_full_bars_make_room_for_others() -> None:
    shown = Face("batch", as_json=False, quiet=False, verbose=False)
    shown.err = Console(file=StringIO(), width=100, height=60, force_terminal=True, color_system=None)
    with shown.progress() as report:
        for folder in range(MOST_BARS + 3):
            report(Step(f"folder {folder}", folder % 2, 1))
    assert isinstance(shown.err.file, StringIO)
    folders = [line.split()[1] for line in shown.err.file.getvalue().splitlines() if "folder" in line]
    assert folders[-MOST_BARS:][:5] == ["0", "2", "4", "6", "7"]


def test_a_log_gets_a_line_as_each_stage_ends_and_one_a_minute_while_it_takes_longer(monkeypatch) -> None:
    now_s = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now_s[0])
    shown = Face("reconstruct", as_json=False, quiet=False, verbose=False)
    shown.err = Console(file=StringIO(), width=60, highlight=False)
    with shown.progress() as report:
        report(Step("video", 7))
        for done in range(1, 101):
            report(Step("fitting", done, 100, "28 dB"))
            now_s[0] += 1.0
        report(Step("fitting", 100, 100))
        report(Step("scoring", 4, 4, "[bold]"))
    assert isinstance(shown.err.file, StringIO)
    assert shown.err.file.getvalue().splitlines() == [
        "fitting  61/100  0:01:00  28 dB",
        "fitting  100/100  0:01:39  28 dB",
        "scoring  4/4  0:00:00  [bold]",
    ]
