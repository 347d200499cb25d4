"""Morphable heads as folders that `ilrm animate` reads: photos, poses, position maps, and expressions to film."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from ilrm_cli.data.checks import RECORD_NAME, check_folder, check_head_folder
from ilrm_cli.data.synthetic.heads.config import EXPRESSIONS_NAME, HEAD_NAME, SHAPES, HeadOrder
from ilrm_cli.data.synthetic.heads.shape import morphable_head
from ilrm_cli.data.synthetic.heads.views import cameras_before, drawn_code, photographed, priors_of
from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.render.rasterize import pixels_of
from ilrm_cli.runtime.files import replacing_folder

OPENGL_FROM_OPENCV = np.diag([1.0, -1.0, -1.0, 1.0])  # axes of cameras in a transforms.json: y up, looking along -z
FRAMES_PER_SHAPE, FPS = 12, 24.0  # of the film: each blendshape comes and goes
CANDIDATES = 32  # camera layouts tried, of which the one that is spread widest is taken


@dataclass(frozen=True)
class WrittenHead:
    """A head on disk."""

    folder: Path
    photos: int
    coverage: float  # mean share of a photo that shows the head
    confident: float  # share of these pixels whose confidence is above a half
    codes: tuple[tuple[float, ...], ...]  # expressions of the photos


def head_folder(out: Path, number: int) -> Path:
    return out / f"{number:06}"


def check_heads(out: Path, order: HeadOrder, overwrite: bool) -> None:
    """Raise InputError if the heads cannot be written, before any work."""
    check_folder(out, overwrite)
    for number in range(order.first, order.first + order.heads):
        check_head_folder(head_folder(out, number))


def write_heads(out: Path, order: HeadOrder) -> Iterator[WrittenHead]:
    """Write the heads one by one; each folder appears whole or not at all, in place of one of that number."""
    for number in range(order.first, order.first + order.heads):
        folder = head_folder(out, number)
        with replacing_folder(folder) as part:
            told = _fill(part, order, number)
        yield WrittenHead(folder, *told)


def _fill(folder: Path, order: HeadOrder, number: int) -> tuple[int, float, float, tuple[tuple[float, ...], ...]]:
    rng = np.random.default_rng([order.seed, number, 17])
    head, cameras = morphable_head(order.seed, number), _spread_out(rng, order)
    codes = torch.stack([drawn_code(rng) for _ in range(order.views)])
    made = photographed(head, cameras, codes)
    priors = priors_of(made, codes[0], order.noise, rng)
    names = [f"{view:03}" for view in range(order.views)]
    for part in ("images", "positions", "confidence"):
        (folder / part).mkdir()
    for view, name in enumerate(names):
        Image.fromarray(pixels_of(made.views.images[view])).save(folder / "images" / f"{name}.png")
        np.save(folder / "positions" / f"{name}.npy", priors.positions[view].numpy())
        np.save(folder / "confidence" / f"{name}.npy", priors.confidence[view].numpy())
    confident, seen = (priors.confidence > 0.5).sum(), (made.coverage > 0).sum()
    rounded = tuple(tuple(round(value, 4) for value in code) for code in codes.tolist())
    contents = {
        "transforms.json": transforms_of(cameras, [f"images/{name}.png" for name in names]),
        HEAD_NAME: {"photos": [_entry(name, code) for name, code in zip(names, rounded, strict=True)]},
        EXPRESSIONS_NAME: {"fps": FPS, "names": SHAPES, "expressions": film().tolist()},
        RECORD_NAME: {"kind": "head", "seed": order.seed, "number": number, "codes": rounded},
    }
    for name, content in contents.items():
        (folder / name).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return order.views, float(made.coverage.mean()), float(confident / seen), rounded


def _spread_out(rng: np.random.Generator, order: HeadOrder) -> Cameras:
    """Return the cameras, of some layouts, whose nearest two are farthest apart."""
    layouts = [cameras_before(rng, order.views, order.width, order.height) for _ in range(CANDIDATES)]
    return max(layouts, key=lambda cameras: float(torch.pdist(cameras.positions).min()))


def _entry(name: str, code: tuple[float, ...]) -> dict[str, object]:
    return {
        "photo": f"images/{name}.png",
        "positions": f"positions/{name}.npy",
        "confidence": f"confidence/{name}.npy",
        "expression": code,
    }


def film() -> Float[Tensor, "frame shape"]:
    """Return expressions in which each blendshape comes and goes, one after the other."""
    wave = 0.5 - 0.5 * torch.cos(2 * torch.pi * torch.arange(FRAMES_PER_SHAPE) / FRAMES_PER_SHAPE)
    frames = torch.zeros(len(SHAPES), FRAMES_PER_SHAPE, len(SHAPES))
    for shape in range(len(SHAPES)):
        frames[shape, :, shape] = wave
    return frames.flatten(0, 1)


def transforms_of(cameras: Cameras, names: list[str]) -> dict[str, object]:
    """Return the content of a transforms.json (nerfstudio) for these photos."""
    frames = []
    for view, name in enumerate(names):
        (fx, fy), (cx, cy) = cameras.focal_px[view].tolist(), cameras.center_px[view].tolist()
        pose = cameras.world_from_cam[view].double().numpy() @ OPENGL_FROM_OPENCV
        lens = {"fl_x": fx, "fl_y": fy, "cx": cx, "cy": cy, "w": cameras.width, "h": cameras.height}
        frames.append({"file_path": name, "transform_matrix": pose.tolist(), **lens})
    return {"camera_model": "PINHOLE", "frames": frames}
