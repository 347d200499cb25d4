"""Dolly moves from one photo's camera, optionally with the zoom that keeps the subject's size."""

from dataclasses import replace

from jaxtyping import Float
from torch import Tensor

from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.render.route import Route

# Limits of a dolly: of the way to the subject, and of the way to the first thing ahead.
DOLLY_SHARE = 0.4
DOLLY_CLEARANCE = 0.6


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
