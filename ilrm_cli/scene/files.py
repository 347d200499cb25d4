"""Scene files of every format, told apart by their suffix, and by their first bytes where these name another.

| suffix          | made by                 | axes of the file            | harmonics | comments | confidence |
|-----------------|-------------------------|-----------------------------|-----------|----------|------------|
| .ply            | Kerbl et al. (INRIA)    | as in memory                | yes       | yes      | yes        |
| .compressed.ply | SuperSplat              | as in memory                | 8 bits    | yes      | no         |
| .splat          | antimatter15            | as in memory                | no        | no       | no         |
| .spz            | Niantic                 | turned by 180° about x      | 4-5 bits  | no       | no         |
| .sog            | PlayCanvas              | as in memory                | a palette | no       | no         |
| .glb            | KHR_gaussian_splatting  | turned by 180° about z      | yes       | yes      | yes        |
| .ksplat         | GaussianSplats3D        | as in memory; only read     | yes       | no       | no         |
| .ilrm           | us: a field             | the field's, and a frame    | no        | yes      | no         |

Viewers take the axes of .ply, .compressed.ply, .splat and .sog to be x right, y down, z forward. .spz and .glb specify
axes with y up, so the same scene is turned into them when it is written and back when it is read: it stands the same
way up in every tool, and in memory it is always what the .ply holds. All but .splat keep the mark of antialiased
scenes.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from ilrm_cli.scene.checks import FIELD, READ_ONLY, SUFFIXES, suffix_of_file
from ilrm_cli.scene.formats.compressed_ply import decode_compressed_ply, encode_compressed_ply
from ilrm_cli.scene.formats.field import decode_field, encode_field
from ilrm_cli.scene.formats.glb import decode_glb, encode_glb
from ilrm_cli.scene.formats.gsplat_png import decode_gsplat_png, is_gsplat_png
from ilrm_cli.scene.formats.ksplat import decode_ksplat
from ilrm_cli.scene.formats.ply import decode_ply, encode_ply, parsed
from ilrm_cli.scene.formats.scene_file import SceneFile
from ilrm_cli.scene.formats.sog import decode_sog, encode_sog
from ilrm_cli.scene.formats.sog_streamed import decode_streamed_sog, is_streamed_sog
from ilrm_cli.scene.formats.splat import decode_splat, encode_splat
from ilrm_cli.scene.formats.spz import FIXED_MAX, MOST_SCALE, beyond_spz, decode_spz, encode_spz


def _decode_either_ply(path: Path) -> SceneFile:
    """Decode a .ply, compressed or not: many tools leave `compressed` out of the name."""
    content = parsed(path)
    return decode_compressed_ply(path, content) if "chunk" in content[0] else decode_ply(path, content)


def _decode_any_sog(path: Path) -> SceneFile:
    """Decode a .sog, or its files in a folder, or a folder of many, or what gsplat leaves in one."""
    if is_gsplat_png(path):
        return decode_gsplat_png(path)
    return decode_streamed_sog(path) if is_streamed_sog(path) else decode_sog(path)


_ENCODERS: dict[str, Callable[[SceneFile], bytes]] = {
    ".ply": encode_ply,
    ".compressed.ply": encode_compressed_ply,
    ".splat": encode_splat,
    ".spz": encode_spz,
    ".sog": encode_sog,
    ".glb": encode_glb,
    FIELD: encode_field,
}
_DECODERS: dict[str, Callable[[Path], SceneFile]] = {
    ".ply": _decode_either_ply,
    ".compressed.ply": _decode_either_ply,
    ".splat": decode_splat,
    ".spz": decode_spz,
    ".sog": _decode_any_sog,
    ".glb": decode_glb,
    FIELD: decode_field,
    ".ksplat": decode_ksplat,
}
# First bytes that no other format has; .splat and .ksplat begin with numbers.
_STARTS = {
    b"ply\n": ".ply",
    b"ply\r": ".ply",
    b"\xef\xbb\xbfply": ".ply",  # behind a byte order mark
    b"glTF": ".glb",
    b"PK\3\4": ".sog",
    b"\x1f\x8b\x08": ".spz",  # gzip
    b"NGSP": ".spz",
}
Y_UP = (".spz", ".glb")  # rotated to y up when written
_WITHOUT_HARMONICS = (".splat",)
_WITHOUT_MARK = (".splat",)  # of antialiased scenes
_WITH_CONFIDENCE = (".ply", ".glb")

assert tuple(_ENCODERS) == (*SUFFIXES, FIELD)
assert tuple(_DECODERS) == (*SUFFIXES, FIELD, *READ_ONLY)


def decode_scene(path: Path, suffix: str | None = None) -> SceneFile:
    """Read a scene in the format given by the file's suffix, or by `suffix`, one of SUFFIXES or FIELD.

    Where the first bytes are those of another format, that is read instead, with a remark. Raises `InputError` for a
    file that is missing, has an unknown suffix, is damaged, or has no usable Gaussian.
    """
    named = _DECODERS[suffix_of_file(path, suffix)]
    told = next((suffix for start, suffix in _STARTS.items() if path.is_file() and _starts_with(path, start)), None)
    if told is None or _DECODERS[told] is named:
        return named(path)
    read = _DECODERS[told](path)
    return replace(read, remarks=(f"{path} is a {told} by its content, and was read as one.", *read.remarks))


def _starts_with(path: Path, start: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(len(start)) == start


def encode_scene(file: SceneFile, suffix: str, spz_version: int | None = None) -> bytes:
    """Encode the scene in the format of `suffix`, one of SUFFIXES, or FIELD if it is one. All numbers are finite."""
    if suffix == ".spz" and spz_version is not None:
        return encode_spz(file, spz_version)
    return _ENCODERS[suffix](file)


def losses(file: SceneFile, suffix: str) -> tuple[str, ...]:
    """Return one sentence for each property of the scene that a file of this format cannot hold."""
    lost: tuple[str, ...] = ()
    if suffix in _WITHOUT_HARMONICS and file.gaussians.sh_degree > 0:
        lost += (f"{suffix} holds one colour per Gaussian: colours that change with the direction are left out.",)
    if suffix not in _WITH_CONFIDENCE and file.confidence is not None:
        lost += (f"{suffix} does not hold the confidence of Gaussians: it is left out.",)
    if suffix in _WITHOUT_MARK and file.gaussians.antialiased:
        lost += (f"{suffix} cannot say that the scene is antialiased: viewers will draw small Gaussians too strong.",)
    if suffix == ".spz" and (beyond := beyond_spz(file.gaussians)):
        lost += (
            f".spz reaches to {FIXED_MAX:,} units and holds sizes up to {MOST_SCALE:.0f}: {beyond} Gaussians beyond "
            "are at these limits; scale the scene or move its origin.",
        )
    return lost
