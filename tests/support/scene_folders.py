"""Scenes that are folders: streamed .sog, and what gsplat's PngCompression leaves."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.scene.files import decode_scene
from ilrm_cli.scene.formats.scene_file import SceneFile
from ilrm_cli.scene.formats.sog import encode_sog
from tests.support.splats import splats

PARTS = {"0_0": (40, 1), "0_1": (30, 0), "1_0": (20, 1), "env": (10, 1)}  # Gaussians and degree
BOX = {"bound": {"min": [0, 0, 0], "max": [1, 1, 1]}}


def run(file: int, offset: int, count: int) -> dict[str, int]:
    return {"file": file, "offset": offset, "count": count}


INDEX = {
    "version": 1,
    "environment": "env/meta.json",
    "filenames": ["1_0/meta.json", "0_0/meta.json", "0_1/meta.json"],
    "tree": BOX
    | {
        "children": [
            BOX | {"lods": {"0": run(1, 0, 25), "1": run(0, 0, 20)}},
            BOX | {"children": [BOX | {"lods": {"0": run(1, 25, 15)}}, BOX | {"lods": {"0": run(2, 0, 30)}}]},
        ]
    },
}


def streamed(folder: Path, **changes: Any) -> tuple[Path, dict[str, Gaussians]]:
    """Write a streamed scene; return its folder, and its parts as they are read alone."""
    parts = {}
    for seed, (name, (count, degree)) in enumerate(PARTS.items()):
        (folder / name).mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(io.BytesIO(encode_sog(SceneFile(splats(count, degree, seed))))) as archive:
            archive.extractall(folder / name)
        parts[name] = decode_scene(folder / name).gaussians
    (folder / "lod-meta.json").write_text(json.dumps(INDEX | changes))
    return folder, parts


def gsplat_png(folder: Path, side: int = 6, bases: int = 3) -> Path:
    """Write a scene of side² Gaussians with random numbers as gsplat compresses it; return its folder."""
    numbers = np.random.default_rng(0)
    widths = {"means": 3, "scales": 3, "quats": 4, "opacities": 1, "sh0": 3}
    meta = {
        name: {"shape": [side**2, width], "dtype": "float32", "mins": [-1.0] * width, "maxs": [1.0] * width}
        for name, width in widths.items()
    }
    for name, width in {"means_l": 3, "means_u": 3, **widths}.items():
        if name != "means":
            pixels = numbers.integers(0, 256, (side, side, width), dtype=np.uint8)
            Image.fromarray(pixels.squeeze()).save(folder / f"{name}.png")
    sets, labels = numbers.integers(0, 64, (20, 3 * bases), dtype=np.uint8), numbers.integers(0, 20, side**2)
    np.savez_compressed(folder / "shN.npz", centroids=np.asfortranarray(sets), labels=labels.astype(np.uint16))
    higher = {"shape": [side**2, bases, 3], "dtype": "float32", "mins": -0.7, "maxs": 0.9, "quantization": 6}
    (folder / "meta.json").write_text(json.dumps(meta | {"shN": higher}))
    return folder
