"""Tours: camera paths that visit the cameras of the photos themselves."""

from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from scipy.interpolate import Akima1DInterpolator
from scipy.spatial.transform import Rotation, RotationSpline

from ilrm_cli.cameras import Cameras


def inputs(cameras: Cameras, frames: int) -> Cameras:
    """Each camera in turn, held for an equal share of the frames."""
    return cameras[torch.arange(frames) * len(cameras) // frames]


def interpolate(cameras: Cameras, depth: float, frames: int) -> Cameras:
    """From camera to camera along a short way through all of them, at an even pace.

    `depth` is that of the scene in world units: moving by it takes as long as turning by one radian.
    """
    if len(cameras) == 1:
        return inputs(cameras, frames)
    gaps = _gaps(cameras, depth)
    order = short_way(gaps)
    steps = gaps[order[:-1], order[1:]]
    steps = np.maximum(steps, 1e-3 * max(steps.max(), 1e-9))  # cameras at one place still take a moment
    times = np.concatenate([[0.0], steps.cumsum()])
    return through(cameras[order.tolist()], times, np.linspace(0, times[-1], frames))


def through(cameras: Cameras, knots: Float[ndarray, " camera"], times: Float[ndarray, " frame"]) -> Cameras:
    """A smooth curve that passes camera i at time knots[i], evaluated at `times`.

    Positions and intrinsics by Akima's (1970) spline, which does not overshoot; rotations by a C² rotation spline.
    """
    rotations = RotationSpline(knots, Rotation.from_matrix(cameras.world_from_cam[:, :3, :3].cpu().double().numpy()))
    columns = torch.cat([cameras.positions, cameras.focal_px, cameras.center_px], dim=1).cpu().double().numpy()
    straight = len(knots) == 2  # Akima's spline of two points is a line, which scipy asks to be spelled out
    curve = (
        np.stack([np.interp(times, knots, column) for column in columns.T], axis=1)
        if straight
        else Akima1DInterpolator(knots, columns)(times)
    )
    poses = torch.eye(4, dtype=torch.float64).repeat(len(times), 1, 1)
    poses[:, :3, :3] = torch.from_numpy(rotations(times).as_matrix())
    poses[:, :3, 3] = torch.from_numpy(curve[:, :3])
    made = torch.from_numpy(curve[:, 3:]).to(cameras.focal_px)
    return replace(
        cameras, world_from_cam=poses.to(cameras.world_from_cam), focal_px=made[:, :2], center_px=made[:, 2:]
    )


def short_way(gaps: Float[ndarray, "camera camera"]) -> ndarray:
    """An order of all cameras with a short total of gaps: nearest neighbour from the best start, then 2-opt."""
    count = len(gaps)

    def nearest_neighbours(start: int) -> list[int]:
        left, way = np.ones(count, dtype=bool), [start]
        left[start] = False
        while len(way) < count:
            way.append(int(np.where(left, gaps[way[-1]], np.inf).argmin()))
            left[way[-1]] = False
        return way

    ways = [nearest_neighbours(start) for start in range(count)]
    way = np.array(min(ways, key=lambda w: gaps[w[:-1], w[1:]].sum()))
    shorter = True
    while shorter:
        shorter = False
        for i in range(count - 1):
            for j in range(i + 1, count):  # reverse way[i..j]
                before = gaps[way[i - 1], way[i]] if i > 0 else 0.0
                after = gaps[way[j], way[j + 1]] if j + 1 < count else 0.0
                new_before = gaps[way[i - 1], way[j]] if i > 0 else 0.0
                new_after = gaps[way[i], way[j + 1]] if j + 1 < count else 0.0
                if new_before + new_after < before + after - 1e-9:
                    way[i : j + 1] = way[i : j + 1][::-1]
                    shorter = True
    return way


def there_and_back(cameras: Cameras, depth: float) -> list[int]:
    """A closed way through all cameras in short steps, as indices; all but its two ends come twice.

    It starts at the camera nearest to all others, goes to one end, to the other, and back. `depth` as in `interpolate`.
    """
    if len(cameras) == 1:
        return [0]
    gaps = _gaps(cameras, depth)
    way = short_way(gaps).tolist()
    middle = way.index(int(gaps.sum(1).argmin()))
    closed = way + way[-2:0:-1]
    return closed[middle:] + closed[:middle]


def _gaps(cameras: Cameras, depth: float) -> Float[ndarray, "camera camera"]:
    """How far cameras are apart for the eye."""
    positions, forward = cameras.positions.cpu().double(), cameras.forward.cpu().double()
    turns = (forward @ forward.T).clamp(-1, 1).acos()
    return (torch.cdist(positions, positions) / depth + turns).numpy()
