"""Scenes as .ply files in the layout of Kerbl et al. (2023), which every splat viewer reads.

One `vertex` per Gaussian with the float32 properties x y z, nx ny nz (zero), f_dc_0..2, f_rest_*, opacity, scale_0..2,
rot_0..3. The file holds the logit of the opacity, the natural logarithm of the scales, the quaternion w first, and the
harmonics above degree 0 channel by channel (all of red, then green, then blue). Log and logit exist in `formats` only.
The property `confidence`, in [0, 1], is our addition; viewers ignore it.

Read as well: flat Gaussians of 2D Gaussian splatting (Huang et al. 2024), which have no scale_2; red, green and blue
in the place of f_dc_* (nerfstudio's `--ply-color-mode rgb`); and names as CloudCompare spells them, `scal_f_dc_0`. The
comments `SplatRenderMode: mip` and `antialiased 1` mark antialiased scenes. So does `filter_3D` of Mip-Splatting (Yu et
al. 2024) and its followers, a standard deviation that each Gaussian is widened by before it is drawn. `ply_variants.py`
tells what else differs.
"""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float32, Float64
from numpy import ndarray
from plyfile import PlyData, PlyElement, PlyParseError
from torch import Tensor

from ilrm_cli.geometry.frames import origin_nearby
from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.geometry.harmonics import from_color, in_srgb
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.scene.formats.ply_header import check_header
from ilrm_cli.scene.formats.ply_variants import activated, check_kinds, is_linear, passed_over, white_of, widened
from ilrm_cli.scene.formats.scene_file import (
    MOST_BASES,
    SceneFile,
    blends_otherwise,
    damaged,
    is_antialiased,
    origin_comment,
    ready_to_write,
    usable,
)

# Opacities 0 and 1 have infinite logits. At 20, float32 reads 1 back exactly, and 0 as 2e-9, far below the 1/255 that
# renderers skip.
LOGIT_LIMIT = 20.0

# f_rest_* properties of a file, by degree of its spherical harmonics: 3 channels x ((degree + 1)² - 1).
REST_COUNTS = (0, 9, 24, 45)
READ_REST_COUNTS = (*REST_COUNTS, 72)  # the last is of degree 4
FOREIGN_PREFIXES = ("scal_", "scalar_")  # of CloudCompare's scalar fields
FLATNESS = 1e-3  # third scale of flat Gaussians, as a share of the smaller of their two: seen edge-on, a line

MEANS = ("x", "y", "z")
NORMALS = ("nx", "ny", "nz")
BASE_COLORS = ("f_dc_0", "f_dc_1", "f_dc_2")
RGB = ("red", "green", "blue")  # in their place: in [0, 1], or whole numbers from 0 on
SCALES = ("scale_0", "scale_1", "scale_2")
ROTATIONS = ("rot_0", "rot_1", "rot_2", "rot_3")
FILTER = "filter_3D"  # of Mip-Splatting, in world units
CONFIDENCE = "confidence"

ParsedPly = tuple[PlyData, tuple[str, ...]]  # and remarks on its bytes


def encode_ply(file: SceneFile) -> bytes:
    """Encode the scene as a binary little-endian .ply file, with one header line per comment.

    All numbers must be finite. Opacities are kept within ±20 in logit, scales above the smallest normal float32.
    """
    scene = ready_to_write(file.gaussians)
    count, bases = len(scene), scene.harmonics.shape[1]
    assert bases in (1, 4, 9, 16), f"{bases} spherical harmonics per channel"
    logits = torch.logit(scene.opacities.double()).clamp(-LOGIT_LIMIT, LOGIT_LIMIT)
    columns = torch.cat(
        [
            scene.means.double(),
            torch.zeros(count, 3),  # normals
            scene.harmonics[:, 0],
            scene.harmonics[:, 1:].transpose(1, 2).flatten(1),  # channel-major
            logits[:, None],
            scene.scales.double().clamp_min(torch.finfo(torch.float32).tiny).log(),
            scene.quaternions,
            *([] if file.confidence is None else [file.confidence.detach().cpu()[:, None]]),
        ],
        dim=1,
    )
    names = [*MEANS, *NORMALS, *BASE_COLORS, *rest_names(3 * (bases - 1)), "opacity", *SCALES, *ROTATIONS]
    if file.confidence is not None:
        names.append(CONFIDENCE)
    rows = columns.numpy().astype("<f4").view([(name, "<f4") for name in names]).reshape(count)
    written = io.BytesIO()
    lines = [header_line(comment) for comment in file.marked_comments]
    PlyData([PlyElement.describe(rows, "vertex")], byte_order="<", comments=lines).write(written)
    return written.getvalue()


def decode_ply(path: Path, content: ParsedPly | None = None) -> SceneFile:
    """Read a scene, from the file or from its already parsed content.

    Binary of either byte order or ascii, properties in any order, normals optional.

    Gaussians with non-finite numbers are dropped and counted. Raises `InputError` for a file that is cut short, is not
    a splat scene, or has no usable Gaussian.
    """
    ply, bytes_said = content or parsed(path)
    if "vertex" not in ply:
        raise InputError(f"{path} has no vertices: it is not a Gaussian splat scene.")
    vertices = ply["vertex"]
    names = {_plain_name(p.name): p.name for p in vertices.properties}
    kinds = {plain: vertices.data.dtype[name] for plain, name in names.items()}
    check_kinds(path, kinds)
    flat = SCALES[2] not in names
    base = BASE_COLORS if BASE_COLORS[0] in names or not set(RGB) <= names.keys() else RGB
    needed = (*MEANS, *base, "opacity", *SCALES, *ROTATIONS)
    missing = [name for name in needed if name not in names and not (flat and name == SCALES[2])]
    if missing:
        raise InputError(f"{path} has no property {missing[0]}: it is not a Gaussian splat scene.")
    rest = sum(name.startswith("f_rest_") for name in names)
    if rest not in READ_REST_COUNTS or any(name not in names for name in rest_names(rest)):
        raise InputError(
            f"{path} has {rest} f_rest_ properties; 0, 9, 24, 45 or 72 are known (harmonics of degree 0 to 4)."
        )

    def table(properties: Sequence[str], kind: type = np.float32) -> torch.Tensor:
        with np.errstate(over="ignore"):  # too large a number is infinite, and its Gaussian dropped
            columns: Float[ndarray, "property gaussian"] = np.array(
                [vertices[names[name]] for name in properties], dtype=kind
            ).reshape(len(properties), vertices.count)
        return torch.from_numpy(columns).T.contiguous()

    is_double = any(kinds[name].itemsize > 4 for name in MEANS)
    means, moved, remarks = _near(path, table(MEANS, np.float64), is_double)
    rotations = table(ROTATIONS)
    rotations /= rotations.abs().amax(1, keepdim=True)  # whose squares are then finite; a zero quaternion becomes NaN
    colors = table(base)
    if base == RGB:
        colors = from_color(colors / white_of(colors, kinds[RGB[0]]))[:, 0]
    higher = table(rest_names(rest)).unflatten(1, (3, rest // 3)).transpose(1, 2)
    harmonics = torch.cat([colors[:, None], higher], dim=1)
    if is_linear(ply):
        harmonics = torch.from_numpy(in_srgb(harmonics[:, :MOST_BASES].double().numpy())).float()
        remarks += (blends_otherwise(path),)
    numbers = table(SCALES[:2] if flat else SCALES, np.float64)
    opacities, scales, said = activated(path, table(["opacity"])[:, 0], numbers, kinds["opacity"])
    filtered = FILTER in names and bool(table([FILTER]).any())
    if filtered:
        scales, opacities = widened(scales, opacities, table([FILTER], np.float64))
        said += (f"{path} has a {FILTER} (Mip-Splatting), which is now part of its sizes and opacities.",)
    if flat:
        scales = torch.cat([scales, FLATNESS * scales.amin(1, keepdim=True)], dim=1)
    read = Gaussians(
        means=means,
        quaternions=rotations / rotations.norm(dim=1, keepdim=True),
        scales=scales.float(),
        opacities=opacities.float(),
        harmonics=harmonics,
        antialiased=is_antialiased(ply.comments, unless_told=filtered),
    )
    confidence = table([CONFIDENCE])[:, 0].nan_to_num(0.0) if CONFIDENCE in names else None
    remarks = (*bytes_said, *remarks, *said, *passed_over(path, [*names]))
    return usable(path, read, (*ply.comments, *moved), confidence, remarks)


def _near(
    path: Path, means: Float64[Tensor, "gaussian 3"], is_double: bool
) -> tuple[Float32[Tensor, "gaussian 3"], tuple[str, ...], tuple[str, ...]]:
    """Return positions in float32, near the origin if they were double and too far for that; a comment and a remark."""
    finite = means[means.isfinite().all(1)]
    origin = origin_nearby(finite) if is_double and len(finite) else None
    if origin is None:
        return means.float(), (), ()
    point = ", ".join(f"{value:.10g}" for value in origin)
    remark = f"{path} lies far from the origin: its positions are now relative to ({point}), else float32 spoilt them."
    return (means - torch.tensor(origin, dtype=means.dtype)).float(), (origin_comment(origin),), (remark,)


def _plain_name(name: str) -> str:
    prefix = next((prefix for prefix in FOREIGN_PREFIXES if name.startswith(prefix)), "")
    return name[len(prefix) :]


def parsed(path: Path) -> ParsedPly:
    """Parse a .ply file of any content. Raises `InputError` for one that is cut short or not a .ply."""
    without_faces, remarks = check_header(path)
    try:
        return PlyData.read(str(path) if without_faces is None else without_faces), remarks
    except (PlyParseError, ValueError, OverflowError, MemoryError, IndexError, KeyError, TypeError) as error:
        raise damaged(path, "its header and content do not fit together") from error


def rest_names(count: int) -> list[str]:
    return [f"f_rest_{i}" for i in range(count)]


def header_line(comment: str) -> str:
    """Return one header line: non-ASCII characters are escaped, line breaks become spaces."""
    return " ".join(comment.split()).encode("ascii", "backslashreplace").decode("ascii")
