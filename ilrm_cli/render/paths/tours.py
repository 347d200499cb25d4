"""Camera paths that visit the cameras of the photos themselves, or move in from one of them.

Moving in may keep the subject's size by a zoom (dolly).
"""

from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from scipy.interpolate import Akima1DInterpolator
from scipy.spatial.transform import Rotation, RotationSpline
from torch import Tensor

from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.render.paths.routes import Route

MAX_CLOSING = 1.5  # of the longest step of a tour: a longer step is not used to close it
ROUNDING = 1e-9  # phases are fractions of whole frames: 2.9999999 is the third

# Limits of a dolly: of the way to the subject, and of the way to the first thing ahead.
DOLLY_SHARE = 0.4
DOLLY_CLEARANCE = 0.6


def inputs(cameras: Cameras) -> Route:
    """Return each camera in turn for an equal share of the film: a slide show, which jumps anyway."""

    def at(phases: Float[Tensor, " frame"]) -> Cameras:
        return cameras[(phases * len(cameras) + ROUNDING).long() % len(cameras)]

    return Route(at, closed=True)


def central(cameras: Cameras, depth: float) -> int:
    """Return the index of the camera nearest to all others; `depth` as in `interpolate`."""
    return int(_gaps(cameras, depth).sum(1).argmin())


def nearest(view: Cameras, cameras: Cameras, depth: float) -> int:
    """Return the index of the camera nearest to the one camera of `view`; `depth` as in `interpolate`."""
    assert len(view) == 1, "nearest to one camera"
    turns = (cameras.forward @ view.forward[0]).clamp(-1, 1).acos()
    return int(((cameras.positions - view.positions).norm(dim=1) / depth + turns).argmin())


def interpolate(cameras: Cameras, depth: float, *, loop: bool = False) -> Route:
    """Return a route from camera to camera along a short way through all of them, at an even speed.

    `depth` is that of the scene in world units: moving by it takes as long as turning by one radian. With `loop` the
    route is closed if the last camera is about as near to the first as neighbours on the way are.
    """
    if len(cameras) == 1:
        return Route(lambda phases: cameras[[0] * len(phases)], closed=False)
    gaps = _gaps(cameras, depth)
    way = short_way(gaps)
    steps = gaps[way[:-1], way[1:]]
    steps = np.maximum(steps, 1e-3 * max(steps.max(), 1e-9))  # cameras at one place still take a moment
    closing = gaps[way[-1], way[0]]
    if not (loop and len(cameras) > 2 and 0 < closing <= MAX_CLOSING * steps.max()):
        times = np.concatenate([[0.0], steps.cumsum()])
        visited = cameras[way.tolist()]
        return Route(lambda phases: through(visited, times, times[-1] * phases.cpu().numpy()), closed=False)
    # Once more on either side, so that the curve is equally smooth where it closes.
    steps = np.concatenate([steps, [closing]])
    total = steps.sum()
    times = np.concatenate([[0.0], np.tile(steps, 3)[:-1].cumsum()]) - total
    visited = cameras[np.tile(way, 3).tolist()]
    return Route(lambda phases: through(visited, times, total * phases.cpu().numpy()), closed=True)


def through(cameras: Cameras, knots: Float[ndarray, " camera"], times: Float[ndarray, " frame"]) -> Cameras:
    """Evaluate at `times` a smooth curve that passes camera i at time knots[i].

    Positions and intrinsics by Akima's (1970) spline, which does not overshoot; rotations by a C² rotation spline.
    """
    rotations = RotationSpline(knots, Rotation.from_matrix(cameras.world_from_cam[:, :3, :3].cpu().double().numpy()))
    columns = torch.cat([cameras.positions, cameras.focal_px, cameras.center_px], dim=1).cpu().double().numpy()
    straight = len(knots) == 2  # Akima's spline of two points is a line, which scipy requires as a special case
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
    """Return an order of all cameras with a short total of gaps: nearest neighbour from the best start, then 2-opt."""
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
    """Return a closed way through all cameras in short steps, as indices; all but its two ends occur twice.

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
    """Return the perceived distances between cameras: parallax plus turn."""
    positions, forward = cameras.positions.cpu().double(), cameras.forward.cpu().double()
    turns = (forward @ forward.T).clamp(-1, 1).acos()
    gaps = torch.cdist(positions, positions) / depth + turns
    return ((gaps + gaps.T) / 2).fill_diagonal_(0).numpy()  # as it is without rounding


def dolly(camera: Cameras, depth: float, clearance: float, *, zoom: bool = False) -> Route:
    """Return a move straight ahead from one photo's camera, DOLLY_SHARE of the way to the subject at `depth`.

    It stops at DOLLY_CLEARANCE of the way to the first thing ahead, at `clearance`; both are in world units. With
    `zoom` the lens widens on the way, so that the subject keeps its size and the background recedes (Irmin Roberts'
    effect in Vertigo, 1958). It ends at the photo's own focal length, so that no frame shows more than the photo did at
    the sides.
    """
    assert len(camera) == 1, "a dolly starts at one camera"
    pose = camera.world_from_cam[0]
    way = min(DOLLY_SHARE * depth, DOLLY_CLEARANCE * clearance)

    def at(phases: Float[Tensor, " frame"]) -> Cameras:
        moved = way * phases.to(pose)
        poses = pose.repeat(len(phases), 1, 1)
        poses[:, :3, 3] += moved[:, None] * pose[:3, 2]
        frames = camera[[0] * len(phases)].moved(poses)
        if not zoom:
            return frames
        factor = ((depth - moved) / (depth - way)).to(camera.focal_px)[:, None]
        return replace(frames, focal_px=frames.focal_px * factor)

    return Route(at, closed=False)
