"""Camera trajectories, one per way of taking photos."""

import math
from collections.abc import Callable

import numpy as np
import torch

from ilrm_cli.data.synthetic.raycaster.raycast import depth_of
from ilrm_cli.data.synthetic.raycaster.scene import Scene, Stage
from ilrm_cli.geometry.cameras import Cameras

PROBE = 12  # px; size of the depth maps that judge a camera's position
CLOSEST = 0.1  # of the stage's distance: 98 % of the picture must be farther than this
MEDIAN_CLOSEST = 0.3  # of the stage's distance: half of the picture must be farther than this


def look_at(positions: np.ndarray, targets: np.ndarray, roll: np.ndarray) -> np.ndarray:
    """Return world_from_cam [N, 4, 4] of cameras that look at targets, x right and z up, then rolled (radians)."""
    forward = targets - positions
    forward /= np.linalg.norm(forward, axis=1, keepdims=True)
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right, axis=1, keepdims=True)
    down = np.cross(forward, right)
    c, s = np.cos(roll)[:, None], np.sin(roll)[:, None]
    pose = np.tile(np.eye(4), (len(positions), 1, 1))
    pose[:, :3, 0], pose[:, :3, 1] = c * right + s * down, c * down - s * right
    pose[:, :3, 2], pose[:, :3, 3] = forward, positions
    return pose


def _polar(stage: Stage, distance, azimuth, elevation) -> np.ndarray:
    """Return positions [N, 3] around the focus; angles in radians."""
    flat = distance * np.cos(elevation)
    offset = np.stack([flat * np.cos(azimuth), flat * np.sin(azimuth), distance * np.sin(elevation)], axis=-1)
    return np.array(stage.focus) + offset


def _wander(rng: np.random.Generator, count: int, size: float) -> np.ndarray:
    """Return a smooth random walk [count, 3] about zero: three slow waves per axis."""
    s = np.linspace(0, 1, count)[:, None, None]
    wave = np.sin(2 * math.pi * (s * rng.uniform(0.3, 1.5, (1, 3, 3)) + rng.random((1, 3, 3))))
    return size * wave.mean(-1)


def sweep(stage: Stage, rng: np.random.Generator, count: int):
    """Sample a hand-held patch of positions on one side, all looking at about the same place."""
    distance = rng.uniform(*stage.distance)
    width = math.exp(rng.uniform(math.log(0.15), math.log(1.0)))  # relative to the distance
    azimuth = stage.front + rng.uniform(-0.5, 0.5) + width * rng.uniform(-0.5, 0.5, count)
    elevation = rng.uniform(0.0, 0.5) + 0.6 * width * rng.uniform(-0.5, 0.5, count)
    positions = _polar(stage, distance * (1 + 0.2 * width * rng.standard_normal(count)), azimuth, elevation)
    return positions, np.array(stage.focus) + distance * rng.normal(0, 0.07, (count, 3))


def video(stage: Stage, rng: np.random.Generator, count: int):
    """Sample a few seconds of video: small steps along a smooth path."""
    distance, length = rng.uniform(*stage.distance), math.exp(rng.uniform(math.log(0.04), math.log(0.3)))
    start = _polar(stage, distance, stage.front + rng.uniform(-0.6, 0.6), rng.uniform(0.05, 0.5))
    heading = rng.standard_normal(3) * (1, 1, 0.4)
    steps = np.linspace(-0.5, 0.5, count)[:, None] * heading / np.linalg.norm(heading)
    positions = start + distance * length * (steps + _wander(rng, count, 0.2))
    return positions, np.array(stage.focus) + distance * _wander(rng, count, 0.1) + distance * rng.normal(0, 0.1, 3)


def _ring(stage: Stage, rng: np.random.Generator, count: int, arc: float):
    azimuth = stage.front + arc * (np.linspace(0, 1, count, endpoint=False) - 0.5) + rng.normal(0, 0.03, count)
    distance = rng.uniform(*stage.distance) * np.exp(rng.normal(0, 0.06, count))
    loops, rise = rng.integers(1, 4), rng.uniform(0, 0.3)
    elevation = (
        rng.uniform(0.1, 0.6) + rise * np.sin(loops * azimuth + rng.uniform(0, 6.3)) + rng.normal(0, 0.03, count)
    )
    targets = np.array(stage.focus) + distance[:, None] * (rng.normal(0, 0.04, 3) + rng.normal(0, 0.02, (count, 3)))
    return _polar(stage, distance, azimuth, elevation), targets


def orbit(stage: Stage, rng: np.random.Generator, count: int):
    """Go part of the way around the focus."""
    return _ring(stage, rng, count, math.radians(rng.uniform(40, 240)))


def around(stage: Stage, rng: np.random.Generator, count: int):
    """Go all the way around the focus, at varying heights."""
    return _ring(stage, rng, count, 2 * math.pi)


def circle(stage: Stage, rng: np.random.Generator, count: int):
    """Go all the way around at eye height and an even distance, as one walks around a statue or a building."""
    turn = rng.choice([-1, 1]) * 2 * math.pi * np.linspace(0, 1, count, endpoint=False)
    azimuth = rng.uniform(0, 2 * math.pi) + turn + rng.normal(0, 0.05, count)
    distance = rng.uniform(*stage.distance) * np.exp(rng.normal(0, 0.03) + 0.15 * _wander(rng, count, 1.0)[:, 0])
    positions = _polar(stage, distance, azimuth, np.zeros(count))
    eye = rng.uniform(stage.low[2], max(stage.low[2] + 0.05, min(stage.focus[2] * 1.3, stage.high[2])))
    positions[:, 2] = eye + 0.05 * distance * rng.standard_normal(count)
    targets = np.array(stage.focus) + distance[:, None] * (rng.normal(0, 0.04, 3) + rng.normal(0, 0.02, (count, 3)))
    return positions, targets


def strafe(stage: Stage, rng: np.random.Generator, count: int):
    """Move sideways along a front, looking across the path, turned slightly inwards."""
    distance = rng.uniform(*stage.distance)
    length = distance * math.exp(rng.uniform(math.log(0.4), math.log(2.0)))
    outwards = np.array([math.cos(stage.front), math.sin(stage.front), 0.0])
    along = np.array([-outwards[1], outwards[0], 0.0])
    s = np.linspace(-0.5, 0.5, count)[:, None]
    positions = np.array(stage.focus) + distance * outwards + length * s * along + 0.06 * _wander(rng, count, distance)
    positions[:, 2] = rng.uniform(stage.low[2], max(stage.low[2] + 0.05, 0.9 * stage.focus[2]))
    positions[:, 2] += rng.normal(0, 0.02 * distance, count)
    targets = np.array(stage.focus) + rng.uniform(0, 0.9) * length * s * along + rng.normal(0, 0.03 * distance, 3)
    return positions, targets


def survey(stage: Stage, rng: np.random.Generator, count: int):
    """Fly above in rows, looking straight down or nearly so."""
    height = rng.uniform(*stage.distance)
    lines = int(rng.integers(1, 4))
    row = np.arange(count) * lines // count
    along = (np.arange(count) * lines / count) % 1
    along = np.where(row % 2 == 0, along, 1 - along) - 0.5
    step, turn = rng.uniform(0.25, 0.6), rng.uniform(0, 2 * math.pi)
    reach = rng.uniform(0.5, 1.6) if lines == 1 else rng.uniform(0.5, 1.1)
    flat = np.stack([reach * along, step * (row - (lines - 1) / 2)], -1) + rng.normal(0, 0.02, (count, 2))
    c, s = math.cos(turn), math.sin(turn)
    flat = height * flat @ np.array([[c, s], [-s, c]])
    positions = np.array(stage.focus) + np.concatenate([flat, np.full((count, 1), height)], 1)
    tilt = rng.uniform(0.03, 0.25)
    return positions, positions + np.array([c * tilt, s * tilt, -1.0]) + rng.normal(0, 0.01, (count, 3))


def walk(stage: Stage, rng: np.random.Generator, count: int):
    """Walk forward along a path, looking ahead or slightly to the side."""
    low, high = np.array(stage.low), np.array(stage.high)
    along = np.array([math.cos(stage.front), math.sin(stage.front), 0.0])
    length = rng.uniform(0.15, 1.0) * stage.distance[1]
    start = rng.uniform(low, high)
    start[2] = rng.uniform(1.0, 1.8) if high[2] > 1.8 else rng.uniform(low[2], high[2])
    positions = start + along * length * np.linspace(0, 1, count)[:, None] + _wander(rng, count, 0.12 * length)
    positions[:, 2] = start[2] + rng.normal(0, 0.03, count)
    yaw = rng.uniform(-0.9, 0.9) + _wander(rng, count, 0.5)[:, 0]
    ahead = np.stack([np.cos(stage.front + yaw), np.sin(stage.front + yaw), rng.normal(-0.08, 0.06, count)], -1)
    return positions, positions + ahead


def approach(stage: Stage, rng: np.random.Generator, count: int):
    """Walk towards the focus and past it on one side."""
    azimuth = rng.uniform(0, 2 * math.pi)
    start = _polar(stage, stage.distance[1], azimuth, rng.uniform(0.05, 0.3))
    heading = azimuth + math.pi + rng.uniform(-0.5, 0.5)
    forward = np.array([math.cos(heading), math.sin(heading), 0.0])
    length = rng.uniform(0.2, 0.8) * stage.distance[1]
    positions = start + forward * length * np.linspace(0, 1, count)[:, None] + _wander(rng, count, 0.1 * length)
    targets = np.array(stage.focus) + stage.distance[0] * (_wander(rng, count, 0.2) + rng.normal(0, 0.1, 3))
    return positions, targets


def scan(stage: Stage, rng: np.random.Generator, count: int):
    """Turn on the spot or on a small circle in a room, looking outwards or across."""
    low, high = np.array(stage.low), np.array(stage.high)
    turn = math.radians(rng.uniform(50, 360))
    azimuth = rng.uniform(0, 6.3) + turn * np.linspace(0, 1, count)
    radius = rng.uniform(0.1, 0.5) * 0.5 * (high - low)[:2].min()
    middle = low + (high - low) * rng.uniform(0.35, 0.65, 3)
    across = 1.0 if rng.random() < 0.5 else -1.0  # from the far side of the circle, views keep overlapping
    circle = np.stack([np.cos(azimuth), np.sin(azimuth), np.zeros(count)], -1)
    positions = middle - across * radius * circle + _wander(rng, count, 0.15 * radius)
    look = circle + np.stack(
        [rng.normal(0, 0.05, count), rng.normal(0, 0.05, count), rng.normal(-0.12, 0.1, count)], -1
    )
    return positions, positions + look


def drone(stage: Stage, rng: np.random.Generator, count: int):
    """Fly above, in rows or in a ring, looking down at a slant."""
    distance = stage.distance[1] * rng.uniform(0.8, 1.3)
    if rng.random() < 0.4:
        azimuth = rng.uniform(0, 6.3) + rng.uniform(1, 6.3) * np.linspace(0, 1, count)
        positions = _polar(stage, np.full(count, distance), azimuth, rng.uniform(0.6, 1.2))
        return positions, np.array(stage.focus) + rng.normal(0, 0.1, (count, 3))
    rows = np.stack([np.linspace(-1, 1, count) * rng.uniform(0.1, 0.6), rng.choice([-0.25, 0, 0.25], count)], -1)
    back = rng.uniform(0.2, 0.8)
    positions = np.array(stage.focus) + distance * np.stack([rows[:, 0], rows[:, 1] - back, np.full(count, 0.9)], -1)
    return positions, positions + np.array([0, back, -0.9]) + rng.normal(0, 0.03, (count, 3))


SHOTS: dict[str, Callable] = {
    "sweep": sweep, "video": video, "orbit": orbit, "around": around, "circle": circle, "strafe": strafe,
    "walk": walk, "approach": approach, "scan": scan, "drone": drone, "survey": survey,
}  # fmt: skip


def draw_fov_deg(rng: np.random.Generator) -> float:
    """Draw the field of view of the longer image side: often 45 to 75 degrees, always 35 to 95."""
    return float(rng.uniform(45, 75) if rng.random() < 0.6 else rng.uniform(35, 95))


def _cameras(poses: np.ndarray, focal_px: float, width: int, height: int) -> Cameras:
    count = len(poses)
    return Cameras(
        torch.from_numpy(poses).float(),
        torch.full((count, 2), focal_px),
        torch.tensor([width / 2, height / 2]).repeat(count, 1),
        width,
        height,
    )


def _stand_well(scene: Scene, cameras: Cameras) -> np.ndarray:
    """Return a mask of the cameras inside the stage with a free view, judged by a coarse depth map."""
    low, high = np.array(scene.stage.low), np.array(scene.stage.high)
    positions = cameras.positions.numpy()
    inside = ((positions >= low) & (positions <= high)).all(1)
    good = np.zeros(len(cameras), bool)
    if inside.any():
        small = cameras[torch.from_numpy(np.flatnonzero(inside))].resized(PROBE, PROBE)
        depth = np.sort(depth_of(scene, small).numpy().reshape(len(small), -1), axis=1)
        unit = scene.stage.distance[0]
        clear = (depth[:, depth.shape[1] // 50] > CLOSEST * unit) & (
            depth[:, depth.shape[1] // 2] > MEDIAN_CLOSEST * unit
        )
        good[np.flatnonzero(inside)[clear]] = True
    return good


def draw_cameras(
    scene: Scene, rng: np.random.Generator, views: int, width: int, height: int, shot: str | None = None
) -> Cameras | None:
    """Return cameras along a random path, in its order; None if too few of them have a free view."""
    name = shot or scene.stage.shots[int(rng.integers(len(scene.stage.shots)))]
    count = 2 * views
    positions, targets = SHOTS[name](scene.stage, rng, count)
    poses = look_at(positions, targets, np.radians(rng.normal(0, rng.choice([0.5, 3.0]), count)))
    focal_px = 0.5 * max(width, height) / math.tan(math.radians(draw_fov_deg(rng)) / 2)
    cameras = _cameras(poses, focal_px, width, height)
    good = np.flatnonzero(_stand_well(scene, cameras))
    if len(good) < views:
        return None
    spread = good[np.linspace(0, len(good) - 1, views).round().astype(int)]
    return cameras[torch.from_numpy(spread)]
