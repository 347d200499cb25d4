"""The scene format of the ray caster, and the builder that collects its solids."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy import float32 as f32

from ilrm_cli.data.synthetic.materials.materials import Materials
from ilrm_cli.data.synthetic.materials.reliefs import relief_bank
from ilrm_cli.data.synthetic.materials.textures import Tiles
from ilrm_cli.data.synthetic.raycaster.shading import GRID, Blockers, Surround
from ilrm_cli.data.synthetic.raycaster.solids import PARAMS, ROUNDED, TORUS, Shapes
from ilrm_cli.runtime.kernels import shared_kernel


class Stage(NamedTuple):
    """Allowed camera positions (world units, z up)."""

    focus: tuple[float, float, float]  # the point that cameras look at
    distance: tuple[float, float]  # from the focus, nearest and furthest
    low: tuple[float, float, float]  # cameras stay inside this box
    high: tuple[float, float, float]
    shots: tuple[str, ...]  # names of trajectories that fit, repeated as weights
    front: float  # azimuth from the focus to the photographer, radians; for shots from one side


@dataclass(frozen=True)
class Scene:
    """All visible content, as flat arrays; z is up."""

    kind: str
    shapes: Shapes
    materials: Materials
    surround: Surround
    sun: Blockers
    above: Blockers
    tiles: Tiles
    stage: Stage


class Frame(NamedTuple):
    """The placement of a thing made of several solids: position, rotation about z, scale."""

    x: float = 0.0
    y: float = 0.0
    z: float = 0.0
    yaw: float = 0.0
    scale: float = 1.0

    def place(self, x: float, y: float, z: float) -> tuple[float, float, float]:
        c, s = self.scale * math.cos(self.yaw), self.scale * math.sin(self.yaw)
        return self.x + c * x - s * y, self.y + s * x + c * y, self.z + self.scale * z

    def at(self, x: float, y: float, z: float, yaw: float = 0.0, scale: float = 1.0) -> "Frame":
        """Return a frame given in the coordinates of this one."""
        return Frame(*self.place(x, y, z), self.yaw + yaw, self.scale * scale)


WHOLE = (0.0, 0.0, 0.0, 1.0)
SOLID = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
UPRIGHT = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
SPAN_MARGIN = 1e-3  # cells; exceeds rounding errors
SIGNS = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], np.float64)


class Builder:
    """The collected solids of a scene; `add` takes the coordinates of a frame."""

    def __init__(self) -> None:
        self._rows: list[tuple] = []

    def __len__(self) -> int:
        return len(self._rows)

    def add(
        self,
        kind: int,
        frame: Frame,
        at: tuple[float, float, float],
        half: tuple[float, float, float],
        material: int,
        param: float | tuple[float, ...] = 0.0,
        turn=UPRIGHT,
        clip: tuple = WHOLE,
        carve: tuple = SOLID,
        hollow: int | None = None,
    ) -> None:
        """Add a solid by centre and half sizes in the frame; `turn` is a rotation applied before the frame's own.

        `param` as in `Shapes`; the hollow has the solid's kind and taper unless `hollow` names another kind.
        """
        size = tuple(frame.scale * h for h in half)
        first, *rest = param if isinstance(param, tuple) else (param, param if kind < TORUS else 0.0)
        numbers = (frame.scale * first if kind == ROUNDED else first, *rest, *[0.0] * (PARAMS - 1 - len(rest)))
        inside = kind if hollow is None else hollow
        self._rows.append((kind, frame.place(*at), frame.yaw, turn, size, numbers, clip, carve, inside, material))

    def finish(self, bank: int = 0) -> Shapes:
        """Return all solids; `bank` is the number of the relief tiles that height fields show."""
        kind, centers, yaw, turn, halves, param, clip, carve, hollow, material = zip(*self._rows, strict=True)
        c, s = np.cos(yaw)[:, None], np.sin(yaw)[:, None]
        x, y, z = np.moveaxis(np.array(turn), 1, 0)  # rows of the turns, each [N, 3]
        rotation = np.stack([c * x - s * y, s * x + c * y, z], axis=1)
        center, half = np.array(centers, np.float64), np.array(halves, np.float64)
        rows = rotation.transpose(0, 2, 1) / half[:, :, None]
        offset = -(rows @ center[:, :, None])
        corners = center[:, None] + (SIGNS * half[:, None]) @ rotation.transpose(0, 2, 1)
        return Shapes(
            np.array(kind, np.int32), np.concatenate([rows, offset], 2).astype(np.float32, order="C"),
            half.astype(np.float32), np.array(param, np.float32), np.array(clip, np.float32),
            np.array(carve, np.float32), np.array(hollow, np.int32), np.array(material, np.int32),
            corners.astype(np.float32), *relief_bank(bank),
        )  # fmt: skip


@shared_kernel
def _fill_cells(order, low, high, cursor, start, solids):
    """Write the cells [low, high] (inclusive, [N, 2]) of each solid in CSR layout; only count if `solids` is empty."""
    for i in order:
        for v in range(low[i, 1], high[i, 1] + 1):
            for u in range(low[i, 0], high[i, 0] + 1):
                cell = v * GRID + u
                if solids.shape[0]:
                    solids[start[cell] + cursor[cell]] = i
                cursor[cell] += 1
    if not solids.shape[0]:
        for cell in range(GRID * GRID):
            start[cell + 1] = start[cell] + cursor[cell]


def blockers(shapes: Shapes, to_light: np.ndarray) -> Blockers:
    """Return the map, perpendicular to a parallel light, of a scene's solids."""
    helper = np.array([1.0, 0, 0]) if abs(to_light[0]) < 0.8 else np.array([0, 1.0, 0])
    first = np.cross(to_light, helper)
    first /= np.linalg.norm(first)
    axes = np.stack([first, np.cross(to_light, first)])
    across = shapes.corners @ axes.T  # [N, 8, 2]
    low, high = across.min(1), across.max(1)  # [N, 2]
    corner = low.min(0) - 1e-3
    per_unit = GRID / (high.max(0) - corner + 1e-3)
    span = np.concatenate([(low - corner) * per_unit - SPAN_MARGIN, (high - corner) * per_unit + SPAN_MARGIN], 1)
    cells = [np.clip(edge.astype(np.int64), 0, GRID - 1) for edge in (span[:, :2], span[:, 2:])]
    top = (shapes.corners @ to_light).max(1)
    order = np.argsort(-top, kind="stable")
    start = np.zeros(GRID * GRID + 1, np.int32)
    _fill_cells(order, *cells, np.zeros(GRID * GRID, np.int64), start, np.empty(0, np.int32))
    solids = np.empty(max(int(start[-1]), 1), np.int32)
    _fill_cells(order, *cells, np.zeros(GRID * GRID, np.int64), start, solids)
    local = shapes.local_from_world[:, :, :3] @ to_light
    light, local, axes, corner, per_unit, span, top = (
        array.astype(f32) for array in (to_light, local, axes, corner, per_unit, span, top)
    )
    return Blockers(light, local, axes, corner, per_unit, span, top, start, solids)
