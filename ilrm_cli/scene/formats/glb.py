"""Scenes as .glb files: glTF 2.0 with the extension KHR_gaussian_splatting, for viewers and engines that read glTF.

Every Gaussian is a point whose attributes are plain float32 values: rotation as (x, y, z, w), linear scale, opacity,
harmonics coefficient by coefficient. COLOR_0, which is linear, shows the scene as points if the extension is not
supported. Comments are kept in `asset.extras`, the confidence in the attribute `_CONFIDENCE`.

The colours are sRGB, or linear: then each Gaussian gets the sRGB colours that it shows from all sides, as nearly as its
harmonics can. What several Gaussians show together differs, since the format blends before it converts.

The axes of glTF are x left, y up, z forward, and those of a .ply are taken to be x right, y down, z forward: the scene
is rotated by 180° about z on writing and on reading, as in splat-transform.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ilrm_cli import __version__
from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.geometry.harmonics import in_srgb, linear_from_srgb, to_color
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.scene.formats.gltf import Gltf, glb_bytes, read_glb
from ilrm_cli.scene.formats.packing import joined, turned
from ilrm_cli.scene.formats.scene_file import (
    SceneFile,
    blends_otherwise,
    check_claim,
    damaged,
    degree_4_is_cut,
    from_columns,
    is_antialiased,
    ready_to_write,
    usable,
)

EXTENSION = "KHR_gaussian_splatting"
ROTATION, SCALE, OPACITY = f"{EXTENSION}:ROTATION", f"{EXTENSION}:SCALE", f"{EXTENSION}:OPACITY"
CONFIDENCE = "_CONFIDENCE"  # application-specific names begin with an underscore
POINTS = 0
KERNEL = {
    "kernel": "ellipse",
    "colorSpace": "srgb_rec709_display",
    "sortingMethod": "cameraDistance",
    "projection": "perspective",
}
LINEAR = "lin_rec709_display"  # the other value of colorSpace
MAX_DEGREE = 3


def encode_glb(file: SceneFile) -> bytes:
    """Encode the scene as a .glb file."""
    scene = turned(ready_to_write(file.gaussians), about="z")
    base = linear_from_srgb(to_color(scene.harmonics.numpy()).clip(0, 1))
    rgba = np.column_stack([base, scene.opacities.numpy().clip(0, 1)])
    columns = {
        "POSITION": scene.means,
        "COLOR_0": np.rint(rgba * 255).astype(np.uint8),
        ROTATION: scene.quaternions.roll(-1, 1),
        SCALE: scene.scales,
        OPACITY: scene.opacities[:, None],
        **{name: scene.harmonics[:, i] for i, name in enumerate(_harmonic_names(scene.sh_degree))},
    }
    if file.confidence is not None:
        columns[CONFIDENCE] = file.confidence.detach().cpu()[:, None]
    content: dict[str, Any] = {
        "asset": {"version": "2.0", "generator": f"ilrm {__version__}"},
        "extensionsUsed": [EXTENSION],
    }
    if file.marked_comments:
        content["asset"]["extras"] = {"comments": list(file.marked_comments)}
    return glb_bytes(
        content,
        {name: np.asarray(column) for name, column in columns.items()},
        {"mode": POINTS, "extensions": {EXTENSION: KERNEL}},
    )


def decode_glb(path: Path) -> SceneFile:
    """Read a scene: all splat primitives of the file's scene, each placed by its node.

    Gaussians with non-finite numbers are dropped and counted. Raises `InputError` for a file that is cut short, has no
    splats or compressed ones, or no usable Gaussian.
    """
    gltf = read_glb(path)
    try:
        found = list(gltf.primitives(EXTENSION))
        count = sum(int(gltf.content["accessors"][part["attributes"]["POSITION"]]["count"]) for part, _ in found)
        check_claim(path, count, (MAX_DEGREE + 1) ** 2)
        scenes = [_gaussians(gltf, part).transformed(place) for part, place in found]
        confidences = [
            gltf.column(part["attributes"][CONFIDENCE], 1)[:, 0]
            for part, _ in found
            if CONFIDENCE in part["attributes"]
        ]
        comments = _comments(gltf.content.get("asset", {}).get("extras"))
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RuntimeError) as error:
        raise damaged(path, "its description of the scene does not hold together") from error
    if not scenes:
        raise InputError(f"{path} has no Gaussian splats ({EXTENSION}); it is another kind of .glb.")
    whole = joined(scenes)
    confidence = None
    if sum(len(values) for values in confidences) == len(whole):
        confidence = torch.from_numpy(np.concatenate(confidences)).float()
    whole = replace(turned(whole, about="z"), antialiased=is_antialiased(comments))
    return usable(path, whole, comments, confidence, tuple(_remarks(path, [part for part, _ in found])))


def _remarks(path: Path, primitives: list[dict[str, Any]]) -> Iterator[str]:
    """Yield a sentence for each thing that is not taken as it is."""
    if any(f"{EXTENSION}:SH_DEGREE_{MAX_DEGREE + 1}_COEF_0" in part["attributes"] for part in primitives):
        yield degree_4_is_cut(path)
    if any(part["extensions"][EXTENSION].get("colorSpace") == LINEAR for part in primitives):
        yield blends_otherwise(path)


def _comments(extras: object) -> tuple[str, ...]:
    """Return the lines among what a program has written about a file, which may be anything."""
    said = extras.get("comments") if isinstance(extras, dict) else extras
    lines = said if isinstance(said, list) else [said]
    return tuple(line for line in lines if isinstance(line, str))


def _gaussians(gltf: Gltf, primitive: dict[str, Any]) -> Gaussians:
    attributes = primitive["attributes"]
    space = primitive["extensions"][EXTENSION].get("colorSpace", KERNEL["colorSpace"])
    if space not in (KERNEL["colorSpace"], LINEAR):
        raise InputError(f"{gltf.path} has colours in {space}, which ilrm does not know; save it in display colours.")
    missing = [name for name in ("POSITION", ROTATION, SCALE, OPACITY, *_harmonic_names(0)) if name not in attributes]
    if missing:
        raise InputError(f"{gltf.path} has splats without {missing[0]}: save it without compression.")
    degree = max(d for d in range(MAX_DEGREE + 1) if all(name in attributes for name in _harmonic_names(d)))
    widths = {"POSITION": 3, ROTATION: 4, SCALE: 3, OPACITY: 1} | dict.fromkeys(_harmonic_names(degree), 3)
    columns = {name: gltf.column(attributes[name], width) for name, width in widths.items()}
    if len({len(column) for column in columns.values()}) > 1:
        raise damaged(gltf.path, "attributes of different lengths")
    scales = columns[SCALE]
    if (scales < 0).mean() > 0.5:  # drafts of the extension stored logarithms
        with np.errstate(over="ignore"):
            scales = np.exp(scales)
    harmonics = np.stack([columns[name] for name in _harmonic_names(degree)], 1)
    return from_columns(
        means=columns["POSITION"],
        quaternions=np.roll(columns[ROTATION], 1, axis=1),
        scales=scales,
        opacities=columns[OPACITY][:, 0],
        harmonics=in_srgb(harmonics) if space == LINEAR else harmonics,
    )


def _harmonic_names(degree: int) -> list[str]:
    """Return the attributes of all harmonics up to a degree, in the order of `harmonics.py`."""
    return [f"{EXTENSION}:SH_DEGREE_{band}_COEF_{i}" for band in range(degree + 1) for i in range(2 * band + 1)]
