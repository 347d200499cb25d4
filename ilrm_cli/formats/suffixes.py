"""The formats of scenes by the names of their files; nothing heavy is imported."""

from pathlib import Path

from ilrm_cli.errors import InputError

SUFFIXES = (".ply", ".compressed.ply", ".splat", ".spz", ".sog", ".glb")


def suffix_of(path: Path) -> str:
    """The longest of SUFFIXES that the file's name ends with, in any case: `A.Compressed.PLY` gives `.compressed.ply`.

    Raises `InputError` for any other name.
    """
    name = path.name.lower()
    known = [suffix for suffix in SUFFIXES if name.endswith(suffix) and len(name) > len(suffix)]
    if not known:
        raise InputError(
            f"{path}: the suffix {path.suffix or '(none)'} is unknown; scenes are kept as {', '.join(SUFFIXES)}, and "
            "`ilrm export` also makes pages, .html."
        )
    return max(known, key=len)
