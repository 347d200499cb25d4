"""The header of a .ply file, held against the bytes that follow before anything is read or reserved for them."""

import io
import re
from pathlib import Path
from typing import BinaryIO

from ilrm_cli.runtime.errors import InputError
from ilrm_cli.scene.formats.scene_file import damaged

TYPE_BYTES = {
    **dict.fromkeys(("char", "uchar", "int8", "uint8"), 1),
    **dict.fromkeys(("short", "ushort", "int16", "uint16"), 2),
    **dict.fromkeys(("int", "uint", "float", "int32", "uint32", "float32"), 4),
    **dict.fromkeys(("double", "float64"), 8),
}
SCENE_ELEMENTS = ("vertex", "chunk", "sh")  # the last two occur in compressed files
LONGEST_LINE, MOST_LINES = 10_000, 10_000  # of a header: comments can be long
BYTE_ORDER_MARK = b"\xef\xbb\xbf"  # which editors put before text
LONGEST_HEADER = 1 << 20  # bytes, where lines end with a carriage return alone
ASCII_BYTES = 2  # of the shortest number in text, with the space or line break after it


def check_header(path: Path) -> tuple[io.BytesIO | None, tuple[str, ...]]:
    """Raise InputError if a .ply cannot hold the elements that its header announces.

    Return the content without the faces of a mesh that follow the scene, with a header in ASCII and lines that end with
    a line feed, None if the file is so already; and remarks on bytes that the header does not announce.
    """
    with path.open("rb") as file:
        before, returns = _opening(file)
        if returns:
            header = _header_with_returns(path, file)
            binary, elements = _elements(path, io.BytesIO(header))
        else:
            binary, elements = _elements(path, file)
            length = file.tell() - before
            file.seek(before)
            header = file.read(length)
    start = before + len(header)
    left, cut = path.stat().st_size - start, False
    for name, count, sizes in elements:
        if count and None in sizes:
            if name not in SCENE_ELEMENTS and name != elements[0][0]:
                cut = True
                break
            raise InputError(f"{path} has lists of numbers for each {name[:40]}: it is not a Gaussian splat scene.")
        each = sum(size or 0 for size in sizes) if binary else ASCII_BYTES * len(sizes)
        left -= count * max(1, each)
    if left < (0 if binary else -1):  # text may end without a line break
        raise damaged(path, "it holds fewer bytes than its header says")
    plain = _in_ascii(header)
    if cut:
        found = re.finditer(rb"^element[ \t]+(\S+)", plain, re.MULTILINE)
        place = next((m for m in found if m[1] == name.encode()), None)
        if place is None:
            raise damaged(path, "its header is in no one encoding")
        plain = plain[: place.start()] + b"end_header\n"
    more = left if binary and not cut else 0
    if more and (mended := _without_returns(path, start, more)) is not None:
        said = f"{path} was copied as if it were text, which put {more} bytes into its numbers; they were taken out."
        return io.BytesIO(_with_line_feeds(plain) + mended), (said,)
    beyond = f"{path} holds {more} bytes more than its header says, which are passed over."
    remarks = (beyond,) if more else ()
    if plain == header and not before and not returns and not _ends_differ(header):
        return None, remarks
    content = path.read_bytes()[start:]
    return io.BytesIO(_with_line_feeds(plain) + (_with_line_feeds(content) if not binary else content)), remarks


def _without_returns(path: Path, start: int, more: int) -> bytes | None:
    """Return what was copied as text: all line feeds have a carriage return before them, which makes up the length."""
    content = path.read_bytes()[start:]
    paired = content.count(b"\r\n")
    return content.replace(b"\r\n", b"\n") if paired == more == content.count(b"\n") else None


def _with_line_feeds(text: bytes) -> bytes:
    return text.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def _ends_differ(header: bytes) -> bool:
    """Return whether some lines end with a line feed alone and others do not."""
    return 0 < header.count(b"\r\n") < header.count(b"\n")


def _opening(file: BinaryIO) -> tuple[int, bool]:
    """Return the bytes before the first line, which comes next, and whether it ends with a carriage return alone."""
    before = len(BYTE_ORDER_MARK) if file.read(len(BYTE_ORDER_MARK)) == BYTE_ORDER_MARK else 0
    file.seek(before)
    first = file.read(5)
    file.seek(before)
    return before, first[:4] == b"ply\r" and first[4:] != b"\n"


def _header_with_returns(path: Path, file: BinaryIO) -> bytes:
    """Read a header whose lines end with a carriage return alone; return it with line feeds."""
    content, last = file.read(LONGEST_HEADER), b"\rend_header\r"
    end = content.find(last)
    if end < 0:
        raise damaged(path, "its header does not end")
    return content[: end + len(last)].replace(b"\r", b"\n")


def _in_ascii(header: bytes) -> bytes:
    """Return a header in UTF-8, or else Latin-1, with all other characters escaped."""
    try:
        text = header.decode()
    except UnicodeDecodeError:
        text = header.decode("latin-1")
    return text.encode("ascii", "backslashreplace")


def _elements(path: Path, file: BinaryIO | io.BytesIO) -> tuple[bool, list[tuple[str, int, list[int | None]]]]:
    """Return whether the file is binary, and name, number and sizes of the properties of all elements (list: None)."""
    no_ply = damaged(path, "its header is not that of a .ply file")
    if file.readline(LONGEST_LINE).strip() != b"ply":
        raise no_ply
    binary, elements = False, list[tuple[str, int, list[int | None]]]()
    for _ in range(MOST_LINES):
        words = _in_ascii(file.readline(LONGEST_LINE)).decode().split()
        if words[:1] == ["end_header"]:
            return binary, elements
        if words[:1] == ["format"]:
            binary = words[1:2] != ["ascii"]
        elif words[:1] == ["element"] and len(words) == 3 and words[2].isdecimal():
            elements.append((words[1], int(words[2]), []))
        elif words[:1] == ["property"] and elements and len(words) > 2:
            if words[1] != "list" and words[1] not in TYPE_BYTES:
                raise no_ply
            elements[-1][2].append(None if words[1] == "list" else TYPE_BYTES[words[1]])
        elif words[:1] not in (["comment"], ["obj_info"], []):
            raise no_ply
    raise no_ply
