"""The one error that a user can cause, and how its sentences name many things."""

from collections.abc import Iterable

NAMED = 3  # names listed before "and N more"


class InputError(Exception):
    """Raised if something the user gave cannot be used.

    The message is one sentence for people: what is wrong, which file or flag, and what to do about it. The command line
    prints it and exits with status 1; every other exception is our bug and keeps its traceback.
    """


def listed(things: Iterable[object], most: int = NAMED) -> str:
    """List the first `most` things, and the number of the others."""
    names = [str(thing) for thing in things]
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{', '.join(names[:most])}{more}"


def first_line(error: object) -> str:
    """Return the beginning of another library's message, for a sentence of ours."""
    return str(error).strip().split("\n")[0][:120]
