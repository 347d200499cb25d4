"""Sentences on terminals: broken between words, never within a path or command line, so that both can be copied."""

import os
import re
from collections.abc import Iterator

from rich.cells import cell_len

# What stays in one piece: what stands in quotation marks or backticks, and otherwise what has no space.
PIECE = r"""(?:`[^`]*`|'[^' ][^']*'(?=[\s.,;:)]|$)|"[^"]*"|\S)+"""
GAP_AND_PIECE = re.compile(rf"(\s*)({PIECE})")
COMMAND = "ilrm "  # begins a command line, which ends its sentence


def wrapped(text: str, width: int) -> str:
    """Break a line that is longer than the width (columns), as far as that is possible between its pieces."""
    if cell_len(text) <= width:
        return text
    indent = text[: len(text) - len(text.lstrip())]
    lines = [""]
    for gap, piece in _pieces(text):
        if not lines[-1] or cell_len(lines[-1] + gap + piece) <= width:
            lines[-1] += gap + piece
        else:
            lines.append(indent + piece)
    return "\n".join(lines)


def _pieces(text: str) -> Iterator[tuple[str, str]]:
    """Yield the pieces of a line and the gaps before them.

    What comes after its last colon is one piece if it is a path or a command line.
    """
    head, colon, last = text.rpartition(": ")
    whole = bool(colon) and (last.startswith(COMMAND) or os.path.exists(last))
    yield from GAP_AND_PIECE.findall(f"{head}:" if whole else text)
    if whole:
        yield " ", last
