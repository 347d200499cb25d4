"""The one error that a user can cause or mend, and how its sentences name many things."""

import difflib
import errno
import os
import unicodedata
from collections.abc import Iterable

NAMED = 3  # names listed before "and N more"
LONGEST, HEAD = 300, 180  # characters of a sentence, and of its beginning if its middle is left out
# Kinds of characters that steer a terminal or turn the reading direction, and halves of surrogate pairs, which stand
# for bytes of names that are not UTF-8.
UNPRINTABLE = ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")
JOINER = "\u200d"  # within emoji

# Disk failures that the user can fix; any other OSError keeps its traceback.
DISK_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EPERM, errno.EROFS}
MACHINE_ERRORS = {errno.ENAMETOOLONG, errno.ELOOP, errno.EIO, errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.ENXIO}
OUT_OF_MEMORY = "can't allocate memory"  # in what PyTorch raises
GPU_OUT_OF_MEMORY = ("OutOfMemoryError", "CUDA out of memory", "CUDA error: out of memory", "ALLOC_FAILED")  # likewise
UNWRITTEN = ("PytorchStreamWriter failed", "file write failed", "unexpected pos", "iostream error")  # likewise


class InputError(Exception):
    """Raised if something the user gave cannot be used.

    The message is one sentence for people: what is wrong, which file or flag, and what to do about it. The command line
    prints it and exits with status 1; every other exception is our bug and keeps its traceback. Names in it come from
    anywhere: it is made `printable`, and its middle is left out if it is longer than LONGEST characters.
    """

    def __init__(self, sentence: str) -> None:
        super().__init__(shortened(printable(sentence)))


class Damage(ValueError):
    """What is wrong with a file, as a clause of ours that a reader's InputError quotes."""


def clause(error: Exception, otherwise: str) -> str:
    """Return our clause on a damaged file, or the other one if the error is a library's, whose words help nobody."""
    return str(error) if isinstance(error, Damage) else otherwise


def told_of_machine(error: BaseException) -> InputError | None:
    """Return the error as a sentence if the user can mend its cause: ours, or a full disk, memory and the like."""
    if isinstance(error, InputError):
        return error
    if isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and OUT_OF_MEMORY in str(error)):
        return InputError("the memory is full; end other programs, or give fewer or smaller photos.")
    if isinstance(error, RuntimeError) and any(words in repr(error) for words in GPU_OUT_OF_MEMORY):
        return InputError("the memory of the GPU is full; end what else uses it, or add --device cpu.")
    if isinstance(error, OSError) and error.errno in DISK_ERRORS | MACHINE_ERRORS:
        what = f"{error.filename} cannot be used" if error.filename else "a file cannot be read or written"
        return InputError(f"{what} ({os.strerror(error.errno)}); see to the disk, the name or TMPDIR.")
    if isinstance(error, RuntimeError) and any(words in str(error) for words in UNWRITTEN):
        return InputError("a file could not be written completely: see to the disk, which may be full.")
    return None


def printable(text: str) -> str:
    """Replace line breaks by spaces and other characters that a terminal would obey by their codes."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_visible(character) for character in text)


def _visible(character: str) -> str:
    if character in "\n\r\t":
        return " "
    if character == JOINER or unicodedata.category(character) not in UNPRINTABLE:
        return character
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # a byte of a name that is not UTF-8
        code -= 0xDC00
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def shortened(text: str) -> str:
    """Leave out the middle of a text that is longer than LONGEST characters."""
    if len(text) <= LONGEST:
        return text
    return f"{text[:HEAD]} ... {text[len(text) - (LONGEST - HEAD - 5) :]}"


def listed(things: Iterable[object], most: int = NAMED) -> str:
    """List the first `most` things, and the number of the others."""
    names = [str(thing) for thing in things]
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{', '.join(names[:most])}{more}"


def meant(name: str, known: Iterable[str]) -> str:
    """Return in a clause which of the `known` names was probably meant; nothing if none is like it."""
    names = list(known)
    begun = [one for one in names if name and one.startswith(name.lower())]
    found = begun or difflib.get_close_matches(name.lower(), names, n=1)
    return f" (did you mean {found[0]}?)" if found else ""


def first_line(error: object) -> str:
    """Return the beginning of another library's message, for a sentence of ours."""
    return str(error).strip().split("\n")[0][:120]
