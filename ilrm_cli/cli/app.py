"""The `ilrm` command and its commands, each imported when it runs.

`ilrm --help` needs no more than their names and sentences.
"""

import atexit
import errno
import io
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from ilrm_cli import __version__
from ilrm_cli.runtime.progress import LAUNCHED

USAGE_ERROR: Any = typer.BadParameter.__bases__[0]  # click's, which typer holds in places of its own

# In the order of the help: the first sentence of each command's help.
SENTENCES = {
    "reconstruct": "Turn a folder of photos into a 3D Gaussian splat scene.",
    "batch": "Turn many folders of photos into scenes; run again, it goes on where it was stopped.",
    "refine": "Fit a scene that was made before further to its photos, and write what comes of it as a new scene.",
    "pose": "Find the camera poses of photos and write them with undistorted photos.",
    "render": "Render a video along a camera path.",
    "animate": "Film a head with one expression after the other, made from four photos of it.",
    "view": "Look at a scene in the browser. Only this computer can see the page; Ctrl-C ends it.",
    "export": "Write a scene in another format, as a page (.html) to open in a browser, or as depth maps (a folder).",
    "mesh": "Make a mesh with colours of a scene, for other programs: .glb, .ply, .obj or .stl.",
    "measure": "Measure a distance in a scene, or tell how long its unit is, from a known length or GPS.",
    "replay": "Make a scene again from its record and say whether it is identical; exit status 1 if it is not.",
    "evaluate": "Score the model on held-out photos, beside baselines that need no model.",
    "bench": "Measure speed as ratios to this machine's own limits; exit status 1 if a performance budget is exceeded.",
    "train": ("Train a model; writes weights.safetensors, a log and a preview into the folder. Ctrl-C stops cleanly."),
    "synth": "Generate synthetic scenes: photos with exact cameras and depth, as COLMAP folders.",
    "models": "The weights that --model takes: what there is, what is here, and whether it is intact.",
    "help": "Explain a topic, such as inputs or formats, or a command; without a name, list the topics.",
}


@cache
def command(name: str) -> Any:
    """Load the command of this name, defined in the module of the same name under `cli`."""
    from ilrm_cli.cli.usage import in_bounds

    defined = getattr(import_module(f"ilrm_cli.cli.{name}"), name)
    if not isinstance(defined, typer.Typer):
        alone = typer.Typer(add_completion=False, rich_markup_mode=None)
        alone.command(name)(defined)
        defined = alone
    found = typer.main.get_command(defined)
    for one in getattr(found, "commands", {name: found}).values():
        for parameter in one.params:
            parameter.callback = parameter.callback or in_bounds
    return found


class CommandsOnDemand(TyperGroup):
    """The group of all commands. Its `commands` are stubs; `get_command` returns runnable commands."""

    def __init__(self, **settings: Any):
        super().__init__(**settings)
        self.commands = {name: TyperCommand(name, short_help=sentence) for name, sentence in SENTENCES.items()}
        self._stubs_wanted = False

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if self._stubs_wanted or cmd_name not in SENTENCES:
            return self.commands.get(cmd_name)
        return command(cmd_name)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Refuse a word that is empty, as a path would mean the folder that the command runs in."""
        words = [part for word in args for part in (word.split("=", 1) if word.startswith("--") else [word])]
        if "" in words:
            before = ["ilrm", *words][words.index("")]
            raise USAGE_ERROR(f"What follows {before} is empty; is a variable of the shell not set?", ctx=ctx)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except USAGE_ERROR as error:
            from ilrm_cli.cli.usage import plainer

            raise USAGE_ERROR(plainer(error), error.ctx) from None

    def format_help(self, ctx: Any, formatter: Any) -> None:
        with self._stubs_only():
            super().format_help(ctx, formatter)

    def shell_complete(self, ctx: Any, incomplete: str) -> Any:
        """Complete the name of a command, or an option of the group itself."""
        with self._stubs_only():
            return super().shell_complete(ctx, incomplete)

    @contextmanager
    def _stubs_only(self) -> Iterator[None]:
        """Let `get_command` return stubs, which import nothing."""
        self._stubs_wanted = True
        try:
            yield
        finally:
            self._stubs_wanted = False


app = typer.Typer(
    cls=CommandsOnDemand,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=(
        "Topics: `ilrm help` lists them, `ilrm help inputs` explains one.\n\n"
        "Exit status: 0 fine, 1 failed, 2 usage error."
    ),
)


def _show_version(wanted: bool) -> bool:
    if wanted:
        typer.echo(f"ilrm {__version__}")
        raise typer.Exit()
    return wanted


@app.callback()
def ilrm(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    """Turn a folder of photos into a 3D Gaussian splat scene: a rough one in seconds, a good one in minutes."""


def run() -> None:
    """Run a command in a process of its own; whenever a signal ends it, the exit status is that of the convention."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # names may hold what a terminal cannot show
            stream.reconfigure(errors="backslashreplace")
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None and signal.getsignal(number) not in (None, signal.SIG_IGN):
            signal.signal(number, _leave)
    try:
        main()
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    else:
        status = 0
    # Python's own way out takes a moment in which signals are lost, or end the process as if it had said nothing.
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError) as error:  # of closed pipes and terminals, or a full disk
            if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
                status = status or 1
    os._exit(status)


def _leave(number: int, *_: object) -> None:
    """End at once: before a command begins or after it has ended, there is nothing to keep."""
    os._exit(128 + number)


def main() -> None:
    # Otherwise torch's OpenMP threads spin while ours work: interleaved calls were 3 to 8 times slower.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    LAUNCHED.set(True)
    app()


if __name__ == "__main__":  # torchrun -m ilrm_cli.cli.app
    run()
