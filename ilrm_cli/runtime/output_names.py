"""Safe names of output files: no name read from a file decides where we write.

Names of photos, clips and scenes come from files written by anybody. `output_names` turns them into relative paths that
every file system accepts, and `place_below` resolves such a path below the output folder, or refuses it.
"""

import hashlib
import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from ilrm_cli.runtime.errors import InputError

# Characters that Windows forbids, control characters, and halves of surrogate pairs (bytes that are not UTF-8).
UNSAFE = re.compile(r'[<>:"|?*\x00-\x1f\x7f\ud800-\udfff]')
ABSOLUTE = re.compile(r"^(/|[A-Za-z]:)")
RESERVED = re.compile(r"^(con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])(\.|$)", re.IGNORECASE)
MAX_BYTES = 200  # of one name, in UTF-8: file systems allow 255, and a suffix or two is added


def output_names(names: Iterable[str], *, flat: bool = False) -> list[str]:
    """Return a relative path with forward slashes for each name, all different, even ignoring case.

    A safe name is returned unchanged. Of absolute paths only the last part is kept, steps upwards are dropped, and
    characters that a file system refuses become underscores; names that would then be equal are numbered. With `flat`
    the folders become part of the name.
    """
    files: set[str] = set()
    folders: set[str] = set()
    made = []
    for name in names:
        parts = _safe_parts(name)
        parts = ["_".join(parts)] if flat else parts
        path = PurePosixPath(*map(_shortened, parts))
        if any(_folded(parent) in files for parent in path.parents):  # another photo has the name of its folder
            path = PurePosixPath(_shortened("_".join(parts)))
        number, free = 1, path
        while _folded(free) in files | folders:
            number += 1
            free = path.with_name(f"{path.stem}_{number}{path.suffix}")
        files.add(_folded(free))
        folders.update(map(_folded, free.parents))
        made.append(free.as_posix())
    return made


def place_below(folder: Path, name: str) -> Path:
    """Return the path of an output below its folder.

    Raises InputError for a name that leads out of the folder, directly or through a link.
    """
    path = folder / name
    if path.is_symlink() or not path.resolve().is_relative_to(folder.resolve()) or path == folder:
        raise InputError(f"{name!r} would be written outside of the output {folder}; rename it.")
    return path


def _safe_parts(name: str) -> list[str]:
    """Split a name into folders and file, each a name that every file system accepts."""
    name = name.replace("\\", "/")
    parts = [part for part in name.split("/") if part not in ("", ".", "..")]
    if ABSOLUTE.match(name):
        parts = parts[-1:]
    return [_safe(part) for part in parts] or ["_"]


def _safe(part: str) -> str:
    part = UNSAFE.sub("_", part).rstrip(". ") or "_"
    return f"_{part}" if RESERVED.match(part) else part


def _shortened(part: str) -> str:
    """Return the name, or if it is too long its beginning, a hash of the whole and its suffix."""
    if len(part.encode()) <= MAX_BYTES:
        return part
    suffix = PurePosixPath(part).suffix[:16]
    digest = hashlib.sha256(part.encode()).hexdigest()[:12]
    stem = part.encode()[: MAX_BYTES - len(suffix.encode()) - len(digest) - 1].decode(errors="ignore")
    return f"{stem}_{digest}{suffix}"


def _folded(path: PurePosixPath) -> str:
    """Return a key that is equal for names that some file system considers equal."""
    return unicodedata.normalize("NFC", path.as_posix().casefold())
