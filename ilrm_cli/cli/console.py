"""User output: progress and messages on stderr, results on stdout. The only module that prints.

A command returns nothing and prints nothing itself: it ends with a `Result`.
"""

import json
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TaskID, TextColumn
from rich.table import Column, Table
from rich.text import Text

from ilrm_cli.cli.wrapping import wrapped
from ilrm_cli.runtime.cache import cache_dir, sweep_places
from ilrm_cli.runtime.errors import InputError, listed, printable, told_of_machine
from ilrm_cli.runtime.files import nothing_placed, placed
from ilrm_cli.runtime.json_values import Status, envelope
from ilrm_cli.runtime.progress import Report, Step, ignore
from ilrm_cli.runtime.signals import sigterm_raised

EXIT_FAILED = 1  # the input or the machine does not allow it; 2 is a usage error and comes from the parser
EXIT_INTERRUPTED, EXIT_SIGNAL = 130, 128  # Ctrl-C; the number of another signal is added, by shell convention
NARROW = 80  # columns below which figures need the room of the bars
SAY_EVERY_S = 60.0  # between two lines of a long stage in a log
MOST_BARS = 16  # at a time; more would not fit onto a terminal, and those that are full go first
LEAST_FOR_PACE = 3  # finished units, from which the rest can be foretold
PAGE_WIDTH = 110  # characters of a line at most: longer ones are hard to read


@dataclass(frozen=True)
class Detail:
    """What those want to see who want to know more: with --verbose, on stderr."""

    content: Any  # a sentence, or what else rich draws


@dataclass(frozen=True)
class Result:
    """What a command has to say when it has done its work."""

    data: Mapping[str, Any]  # for programs: what --json prints in the envelope
    lines: Iterable[Any] = ()  # for people, in order: sentences, `Detail`s and what else rich draws, such as tables
    warnings: Sequence[str] = ()  # one sentence each; those of `data` that are not yet shown
    status: Status = "ok"
    exit_status: int = 0


class Face:
    """The output of one command: progress while it runs, then either a JSON object or text for people."""

    def __init__(self, command: str, as_json: bool, quiet: bool, verbose: bool):
        self.command, self.as_json, self.quiet, self.verbose = command, as_json, quiet, verbose
        self.err = Console(stderr=True, highlight=False, markup=False, emoji=False)
        self.out = Console(quiet=quiet or as_json, highlight=False, markup=False, emoji=False)
        # What Ctrl-C leaves behind: None for what was put in its place, "" if it is not worth a word.
        self.kept: str | None = None
        self.kept_as_json = dict[str, Any]()

    @contextmanager
    def progress(self) -> Iterator[Report]:
        """Draw a bar for each stage that reports, in logs write a line for each; with `quiet` nothing is drawn."""
        if self.quiet:
            yield ignore
            return
        if not self.err.is_terminal:
            yield _Lines(self.err)
            return
        bar = (BarColumn(bar_width=20),) if self.err.width >= NARROW else ()
        columns = (
            TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True, min_width=10)),
            *bar,
            MofNCompleteColumn(table_column=Column(no_wrap=True, min_width=9)),
            _Time(table_column=Column(no_wrap=True, min_width=12)),
            TextColumn(
                "{task.fields[note]}",
                markup=False,
                style="dim",
                table_column=Column(no_wrap=True, overflow="ellipsis", ratio=1),  # what room the others leave
            ),
        )
        bars = _Bars(Progress(*columns, console=self.err, expand=True))
        try:
            yield bars
        finally:
            bars.stop()

    def reading(self, what: str) -> None:
        self.at_once(f"reading {what}")

    def at_once(self, sentence: str) -> None:
        """Say on a terminal what is done now, where what comes next takes some seconds."""
        if self.err.is_terminal and not self.quiet:
            print_sentence(self.err, printable(sentence), style="dim")

    def warn(self, sentences: Iterable[str]) -> None:
        for sentence in sentences:
            print_sentence(self.err, printable(sentence), ("warning: ", "yellow"))

    def say(self, text: str) -> None:
        for line in text.split("\n"):
            print_sentence(self.out, printable(line))

    def page(self, markdown: str) -> None:
        """Print Markdown: laid out on a terminal, elsewhere as it is."""
        if not self.out.is_terminal:
            sys.stdout.write(markdown)
            return
        from rich.markdown import Markdown

        self.out.print(Markdown(markdown), width=min(self.out.width, PAGE_WIDTH))

    def detail(self, content: Any) -> None:
        """Print with --verbose only."""
        if not self.verbose or self.quiet:
            return
        if isinstance(content, str):
            print_sentence(self.err, content, style="dim")
        else:
            self.err.print(content, style="dim")

    def end(self, result: Result) -> None:
        """Print the result, for people or with --json for programs, and exit unless its exit status is 0."""
        self.warn(result.warnings)
        for line in result.lines:
            if isinstance(line, Detail):
                self.detail(line.content)
            elif isinstance(line, str):
                self.say(line)
            else:
                self.out.print(line)
        self._print_object(result.status, result.data)
        if result.exit_status:
            raise typer.Exit(result.exit_status)

    def _print_object(self, status: Status, data: Mapping[str, Any]) -> None:
        """Print the one object on stdout, with --json only."""
        if self.as_json:
            sys.stdout.write(json.dumps(envelope(self.command, data, status), indent=2, allow_nan=False) + "\n")
            sys.stdout.flush()  # now, not when Python exits: a signal may come in between

    def failed(self, error: InputError) -> None:
        """Report a user or machine error that ended the command, even if quiet."""
        with suppress(OSError):  # it may be the output that cannot be written
            self._print_object("failed", {"error": str(error)})
        print_sentence(self.err, str(error), ("error: ", "red"))

    def stopped(self) -> None:
        """Report that Ctrl-C or SIGTERM stopped the command."""
        self._print_object("stopped", self.kept_as_json)
        kept = written_so_far() if self.kept is None else self.kept
        print_sentence(self.err, f"stopped: {printable(kept)}" if kept else "stopped")


def written_so_far() -> str:
    """Return in words which outputs were put in their places."""
    cache = cache_dir().absolute()
    outputs = [str(path) for path in placed() if not path.absolute().is_relative_to(cache)]
    if not outputs:
        return "nothing was written"
    return f"{listed(outputs)} {'is' if len(outputs) == 1 else 'are'} written, and no more"


def print_sentence(console: Console, text: str, begin: tuple[str, str] = ("", ""), style: str = "") -> None:
    """Print a line after its begin and that one's style: on a terminal wrapped between words, elsewhere as one line."""
    line = f"{begin[0]}{text}"
    shown = Text(wrapped(line, console.width) if console.is_terminal else line, style)
    shown.stylize(begin[1], 0, len(begin[0]))
    console.print(shown, soft_wrap=True)


def shares(title: str, seconds: Mapping[str, float], total: float) -> Table:
    """Return a table of stages: seconds and share of the total."""
    table = Table("stage", title=title, title_justify="left")
    table.add_column("seconds", justify="right")
    table.add_column("share", justify="right")
    for stage, value in seconds.items():
        table.add_row(stage, f"{value:.2f}", f"{value / max(total, 1e-9):.0%}")
    table.add_row("total", f"{total:.2f}", "", style="bold")
    return table


def figures(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    """Return a table with right-aligned columns."""
    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(column, justify="right")
    for row in rows:
        table.add_row(*row)
    return table


class _Time(ProgressColumn):
    """The elapsed time of a stage; while it runs at a known pace, the remaining time."""

    def render(self, task: Task) -> Text:
        left = None if task.finished or task.completed < LEAST_FOR_PACE else task.time_remaining
        seconds = (task.finished_time if task.finished else task.elapsed) if left is None else left
        shown = "-:--:--" if seconds is None else str(timedelta(seconds=round(seconds)))
        return Text(shown if left is None else f"{shown} left")


class _Bars:
    """A progress callback that draws one bar per stage, in order of appearance."""

    def __init__(self, bars: Progress):
        self._bars, self._tasks, self._begun = bars, dict[str, TaskID](), False

    def stop(self) -> None:
        if self._begun:  # rich ends even bars that were never drawn with an empty line
            self._bars.stop()

    def __call__(self, step: Step) -> None:
        self._begun = True  # first: Ctrl-C may come when the cursor is already hidden but no bar is known yet
        self._bars.start()  # at the first step: a command that fails earlier draws nothing
        if step.stage not in self._tasks:
            self._make_room()
            self._tasks[step.stage] = self._bars.add_task(step.stage, total=step.total, note="")
        self._bars.update(self._tasks[step.stage], completed=step.done, total=step.total, note=step.note)

    def _make_room(self) -> None:
        """Hide the first full bar if there are as many as fit."""
        shown = [task for task in self._bars.tasks if task.visible]
        full = next((task for task in shown if task.finished), None)
        if full and len(shown) >= MOST_BARS:
            self._bars.update(full.id, visible=False)


class _Lines:
    """A progress callback for what is no terminal: a line when a stage ends, and one a minute while it takes longer."""

    def __init__(self, console: Console):
        self._console, self._said_s = console, time.monotonic()
        self._begun_s, self._ended = dict[str, float](), set[str]()

    def __call__(self, step: Step) -> None:
        now_s = time.monotonic()
        begun_s = self._begun_s.setdefault(step.stage, now_s)
        ends = step.done == step.total and step.stage not in self._ended
        if not ends and now_s - self._said_s < SAY_EVERY_S:
            return
        if ends:
            self._ended.add(step.stage)
        self._said_s = now_s
        of = "" if step.total is None else f"/{step.total}"
        words = (step.stage, f"{step.done}{of}", str(timedelta(seconds=round(now_s - begun_s))), step.note)
        self._console.print(printable("  ".join(filter(None, words))), soft_wrap=True, markup=False)


@contextmanager
def face(command: str, as_json: bool = False, quiet: bool = False, verbose: bool = False) -> Iterator[Face]:
    """Run a command within its error boundary: a user's mistake becomes one sentence and exit status 1.

    Any other exception is our bug and keeps its traceback.
    """
    shown = Face(command, as_json, quiet, verbose)
    with sigterm_raised() as sigterm:
        try:
            nothing_placed()
            sweep_places()
            yield shown
            sigterm.work_is_done()
            if sigterm.too_late:
                raise typer.Exit(EXIT_SIGNAL + sigterm.too_late)
        except typer.Exit:
            raise  # the command has reported everything
        except (Exception, KeyboardInterrupt) as error:
            sigterm.silence()  # from here on output is written completely
            # Libraries interrupted during their import may report a failure of their own instead.
            if sigterm.came or isinstance(error, KeyboardInterrupt):
                with suppress(OSError):  # of a closed terminal
                    shown.stopped()
                raise typer.Exit(EXIT_SIGNAL + sigterm.came if sigterm.came else EXIT_INTERRUPTED) from None
            if (told := told_of_machine(error)) is not None:
                shown.failed(told)
                raise typer.Exit(EXIT_FAILED) from None
            if isinstance(error, EOFError):  # which the parser would take for Ctrl-C
                raise RuntimeError("a file ended too early") from error
            raise
