"""Enumerations in sentences."""

from collections.abc import Iterable

NAMED = 3  # names listed before "and N more"


def listed(things: Iterable[object], most: int = NAMED) -> str:
    """List the first `most` things, and the number of the others."""
    names = [str(thing) for thing in things]
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{', '.join(names[:most])}{more}"
