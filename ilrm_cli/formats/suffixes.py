"""The formats of scenes by file suffix; imports nothing heavy."""

from pathlib import Path

from ilrm_cli.runtime.errors import InputError

PAGE = ".html"  # the suffix of pages: scenes are exported to them but never read from them
SUFFIXES = (".ply", ".compressed.ply", ".splat", ".spz", ".sog", ".glb")


def suffix_of_file(path: Path, suffix: str | None = None) -> str:
    """Return the suffix of an existing scene: the given one, or `suffix_of` its name. Raises `InputError`."""
    if not path.is_file():
        state = "is not a file" if path.exists() else "does not exist"
        raise InputError(f"the scene {path} {state}.")
    return suffix or suffix_of(path)


def suffix_of(path: Path) -> str:
    """Return the longest of SUFFIXES that matches the name, ignoring case: `A.Compressed.PLY` -> `.compressed.ply`.

    Raises `InputError` for any other name.
    """
    name = path.name.lower()
    known = [suffix for suffix in SUFFIXES if name.endswith(suffix) and len(name) > len(suffix)]
    if not known:
        raise InputError(
            f"{path}: the suffix {path.suffix or '(none)'} is unknown; scenes are kept as {', '.join(SUFFIXES)}, and "
            f"`ilrm export` also makes pages, {PAGE}."
        )
    return max(known, key=len)
