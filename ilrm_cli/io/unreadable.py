"""The error for a photo that cannot be read, and Pillow's exceptions for bad files."""

import struct
from pathlib import Path

from PIL import Image

from ilrm_cli.runtime.errors import InputError

UNREADABLE = (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError)  # raised on bad files
BROKEN_EXIF = (*UNREADABLE, KeyError, TypeError, struct.error)  # raised on bad EXIF data


class UnreadablePhoto(InputError):
    """An unreadable photo; `reason` is the clause that follows "because" and reads well alone."""

    def __init__(self, path: Path, reason: str, remedy: str = "replace or remove it") -> None:
        super().__init__(f"{path} cannot be read because {reason}; {remedy}.")
        self.reason = reason


def needs_extra(path: Path, kind: str, extra: str) -> UnreadablePhoto:
    """Return the error for a photo whose library is not installed."""
    return UnreadablePhoto(path, f"{kind} need an extra: run pip install 'ilrm[{extra}]'", "or save it as JPEG")
