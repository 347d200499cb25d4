"""The formats of scenes by the names of their files; nothing heavy is imported."""

from pathlib import Path

from ilrm_cli.errors import InputError

PAGE = ".html"  # the suffix of pages: what scenes are shown in and never read from
SUFFIXES = (".ply", ".compressed.ply", ".splat", ".spz", ".sog", ".glb")


def suffix_of_file(path: Path, suffix: str | None = None) -> str:
    """The suffix of a scene that is there: `suffix_of` its name, or the one given. Raises `InputError`."""
    if not path.is_file():
        state = "is not a file" if path.exists() else "does not exist"
        raise InputError(f"the scene {path} {state}.")
    return suffix or suffix_of(path)


def suffix_of(path: Path) -> str:
    """The longest of SUFFIXES that the file's name ends with, in any case: `A.Compressed.PLY` gives `.compressed.ply`.

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
