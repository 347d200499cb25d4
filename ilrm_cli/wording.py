"""How sentences name many things."""

from collections.abc import Iterable

NAMED = 3  # spelled out before "and N more"


def listed(things: Iterable[object], most: int = NAMED) -> str:
    """The first `most` of them, and how many more there are."""
    names = [str(thing) for thing in things]
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{', '.join(names[:most])}{more}"
