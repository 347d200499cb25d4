"""Scene files of every format, told apart by their suffix."""

from collections.abc import Callable
from pathlib import Path

from ilrm_cli.errors import InputError
from ilrm_cli.formats.ply import decode_ply, encode_ply
from ilrm_cli.formats.scene_file import SceneFile

_ENCODERS: dict[str, Callable[[SceneFile], bytes]] = {".ply": encode_ply}
_DECODERS: dict[str, Callable[[Path], SceneFile]] = {".ply": decode_ply}

SUFFIXES = tuple(_ENCODERS)


def suffix_of(path: Path) -> str:
    """The longest of SUFFIXES that the file's name ends with, in any case: `A.Compressed.PLY` gives `.compressed.ply`.

    Raises `InputError` for any other name.
    """
    name = path.name.lower()
    known = [suffix for suffix in SUFFIXES if name.endswith(suffix) and len(name) > len(suffix)]
    if not known:
        raise InputError(
            f"{path}: the suffix {path.suffix or '(none)'} is unknown; scenes are kept as {', '.join(SUFFIXES)}."
        )
    return max(known, key=len)


def decode_scene(path: Path, suffix: str | None = None) -> SceneFile:
    """Read a scene of the format that the file's name ends with, or that `suffix`, one of SUFFIXES, names.

    Raises `InputError` for a file that is missing, of an unknown suffix, damaged, or without one usable Gaussian.
    """
    if not path.is_file():
        state = "is not a file" if path.exists() else "does not exist"
        raise InputError(f"the scene {path} {state}.")
    return _DECODERS[suffix or suffix_of(path)](path)


def encode_scene(file: SceneFile, suffix: str) -> bytes:
    """The bytes of the scene as a file of this format; `suffix` is one of SUFFIXES. All numbers must be finite."""
    return _ENCODERS[suffix](file)


def losses(file: SceneFile, suffix: str) -> tuple[str, ...]:
    """What a file of this format cannot hold of the scene, one sentence each."""
    return ()
