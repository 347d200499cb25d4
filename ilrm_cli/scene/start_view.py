"""The view that a scene opens at, as a header line of its file: for scenes that have lost their record."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.render.paths.routes import look_at
from ilrm_cli.render.paths.subject import focus_depths, subject_of
from ilrm_cli.render.paths.tours import central

LINE = re.compile(r"start view position (.+) target (.+) up (.+) fov_deg (.+)")
LEAST_SINE = 1e-3  # between up and the line of sight
MOST_FOV_DEG = 175.0
ON_SIDE_COS = math.sqrt(0.5)  # of the angle between a camera's x axis and up: beyond it was held on its side


@dataclass(frozen=True)
class StartView:
    """A level view, in the coordinates of the scene file."""

    position: tuple[float, ...]  # 3 world units
    target: tuple[float, ...]  # 3 world units: a point ahead, and the middle of an orbit
    up: tuple[float, ...]  # 3, of any length
    fov_deg: tuple[float, ...]  # (horizontal, vertical)

    @property
    def comment(self) -> str:
        """The header line, without what rounding could change."""
        parts = (f"{name} {' '.join(f'{value:.9g}' for value in values)}" for name, values in vars(self).items())
        return " ".join(["start view", *parts])

    def camera(self, long_side_px: int) -> Cameras:
        """Return its camera, float64, with square pixels."""
        right, down = (math.tan(math.radians(angle) / 2) for angle in self.fov_deg)
        focal_px = long_side_px / 2 / max(right, down)
        width, height = (max(1, round(2 * focal_px * half)) for half in (right, down))
        position, target, up = (
            torch.tensor(point, dtype=torch.float64) for point in (self.position, self.target, self.up)
        )
        return Cameras(
            world_from_cam=look_at(position[None], target, torch.nn.functional.normalize(up, dim=0)),
            focal_px=torch.full((1, 2), focal_px).double(),
            center_px=torch.tensor([[width / 2, height / 2]]).double(),
            width=width,
            height=height,
        )


def start_view_of(cameras: Cameras, gaussians: Gaussians, up: tuple[float, ...]) -> StartView:
    """Return the level view of the camera that is nearest to all others, at which an exported page opens too."""
    upward = torch.tensor(up, dtype=torch.float64)
    subject = subject_of(cameras, gaussians, upward)
    one = cameras[[central(cameras, subject.depth)]]
    target = one.positions + focus_depths(one, gaussians, subject)[:, None] * one.forward
    right, down = (torch.tensor([one.width, one.height]) / 2 / one.focal_px[0]).atan().rad2deg().mul(2).tolist()
    on_side = abs(float(one.world_from_cam[0, :3, 0] @ upward)) > ON_SIDE_COS
    fov_deg = (down, right) if on_side else (right, down)
    return StartView(tuple(one.positions[0].tolist()), tuple(target[0].tolist()), up, fov_deg)


def start_view_in(comments: Sequence[str]) -> StartView | None:
    """Return the view that header lines tell; None if they tell none, or one that no camera has."""
    found = [match for line in comments if (match := LINE.fullmatch(line))]
    if not found:
        return None
    try:
        view = StartView(*(tuple(float(word) for word in part.split()) for part in found[-1].groups()))
    except ValueError:
        return None
    return view if _is_seen(view) else None


def _is_seen(view: StartView) -> bool:
    """Return whether all numbers are there and make a view."""
    values = vars(view).values()
    if [len(part) for part in values] != [3, 3, 3, 2] or not all(math.isfinite(x) for part in values for x in part):
        return False
    position, target, up = (torch.tensor(point, dtype=torch.float64) for point in (view.position, view.target, view.up))
    ahead = target - position
    sine = torch.linalg.cross(ahead, up).norm() / (ahead.norm() * up.norm())  # NaN if one is zero
    return float(sine) > LEAST_SINE and all(0 < angle < MOST_FOV_DEG for angle in view.fov_deg)
