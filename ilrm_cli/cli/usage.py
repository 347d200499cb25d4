"""Usage errors in our words: what the parser found wrong, and what to type instead."""

import math
import re
import shutil
import sys
from pathlib import Path
from shlex import quote
from typing import Any

import typer

BEGIN = "Error: "  # of the line
# What typer says, and we instead.
PLAIN = {
    "Value error, ": "",
    "Input should be a valid integer, unable to parse string as an integer": "give a whole number.",
    "Input should be a valid number, unable to parse string as a number": "give a number.",
}

NO_COMMAND = re.compile(r"No such command '(.+)'\.")

LARGEST = 2**31 - 1  # whole number that all libraries take

ONE_SIDE = "it is the long side in px, such as 640, and the shape is that of"

# What to add, by the name of the command and what the parser says.
REMEDIES = {
    ("refine", "No such option: --refine"): "a scene is fitted further with --quality high or --minutes 5",
    ("refine", "Missing option '--output'"): "name the scene to write, as in -o better.ply",
    ("reconstruct", "Invalid value for '--size': give"): f"{ONE_SIDE} the photos",
    ("batch", "Invalid value for '--size': give"): f"{ONE_SIDE} the photos",
    ("evaluate", "Invalid value for '--size': give"): f"{ONE_SIDE} the photos",
    ("synth", "Invalid value for '--size': give"): f"{ONE_SIDE} --aspect",
    ("export", "Missing option '--output'"): "name the file to write, as in -o scene.html or -o scene.spz",
}


def in_bounds(ctx: Any, parameter: Any, value: Any) -> Any:
    """Return the value of an option. Raises a usage error for a number without end, that is none, or is absurd."""
    if ctx.get_parameter_source(parameter.name).name != "COMMANDLINE":
        return value
    for one in value if isinstance(value, (list, tuple)) else [value]:
        if isinstance(one, float) and not math.isfinite(one):
            raise typer.BadParameter(f"{one} has no end or is no number; give a number.", ctx=ctx, param=parameter)
        if isinstance(one, int) and abs(one) > LARGEST:
            said = f"{one} is out of reach; give a number between -{LARGEST} and {LARGEST}."
            raise typer.BadParameter(said, ctx=ctx, param=parameter)
    return value


def plainer(error: Any) -> str:
    """Return what is wrong and how to do it, wrapped if it goes to a terminal."""
    said = error.format_message()
    for theirs, ours in PLAIN.items():
        said = said.replace(theirs, ours)
    name = error.ctx.info_name if error.ctx else ""
    for (command, begin), remedy in REMEDIES.items():
        if name == command and said.startswith(begin):
            said = f"{said.partition(' (Possible options')[0].rstrip('.')}; {remedy}."
    mistaken = NO_COMMAND.fullmatch(said)
    if mistaken and Path(mistaken[1]).is_dir():
        said = f"{said.rstrip('.')}; a folder of photos becomes a scene by ilrm reconstruct {quote(mistaken[1])}."
    if sys.stderr.isatty():
        from ilrm_cli.cli.wrapping import wrapped  # rich takes longer than the help of the tool may

        return wrapped(BEGIN + said, shutil.get_terminal_size().columns).removeprefix(BEGIN)
    return said
