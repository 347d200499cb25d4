"""What each camera sees of a scene, as geometry: depth, how far it can be trusted, and colour.

Depth is z along the camera's axis, of the surface that a pixel shows (`cpu.surface_depth`): on the CPU, whatever else
the machine has, so that one scene has one mesh.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import normalize

from ilrm_cli.geometry.cameras import Cameras, directions_through, pixel_centers
from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.render.cpu.surface_depth import surface_depth
from ilrm_cli.render.probes import glance
from ilrm_cli.runtime.progress import Report, Step, ignore

SOLID, EMPTY = 0.5, 0.05  # alpha from which a pixel shows a surface, and up to which its ray meets nothing
LEAST_COSINE = 0.05  # between ray and normal: what is seen more edge on is a step between two surfaces, or hardly known
# Where surfaces end: so many times the median depth of all pixels. The backdrop is about a hundred times as far away as
# they are; pixels count for that median up to so many times the depth that a share of them lies before.
FAR, BACKDROP, NEAREST = 4.0, 50.0, 0.1
MOST_PIXELS = 1_000_000  # whose depths are looked at: more do not change a quantile
STAGE = "depth maps"


@dataclass(frozen=True)
class DepthMap:
    """One camera's view of a scene."""

    camera: Cameras  # one
    depth: Float[Tensor, "height width"]  # world units; infinite where the ray meets nothing, NaN where it is unknown
    trust: Float[Tensor, "height width"]  # cosine between ray and normal; 0 where there is no surface
    color: Float[Tensor, "3 height width"]  # in [0, 1]

    def points(self, pixels: Bool[Tensor, "height width"] | None = None) -> Float[Tensor, "point 3"]:
        """Return the places on surfaces that some pixels show, in world coordinates; None: all that show one."""
        rays = _rays(self.camera, self.depth)
        chosen = self.trust > 0 if pixels is None else pixels
        return self.camera.positions[0].to(rays) + self.depth[chosen][:, None] * rays[chosen]


def depth_maps(
    gaussians: Gaussians,
    groups: Sequence[Cameras],
    near: float,
    far: float = math.inf,
    background: Float[Tensor, "3"] | None = None,
    report: Report = ignore,
) -> Iterator[DepthMap]:
    """Draw the scene in one camera of the groups after the other; see `depth_map`."""
    total, done = sum(map(len, groups)), 0
    for cameras in groups:
        for index in range(len(cameras)):
            report(Step(STAGE, done, total))
            yield depth_map(gaussians, cameras[[index]], near, far, background)
            done += 1
    report(Step(STAGE, total, total))


def far_of(gaussians: Gaussians, groups: Sequence[Cameras], near: float) -> float:
    """Return how far the surfaces of a scene reach from its cameras, by small pictures; see `far_limit`."""
    return far_limit(torch.cat([glance(cameras, gaussians, near).depth.flatten() for cameras in groups]))


def far_limit(depths: Float[Tensor, "*pixels"]) -> float:
    """Return how far surfaces reach, by the depths of pixels of all views; infinite if none is finite.

    Farther is background: a sphere (`geometry.backdrop`), or what is too far away to have a known depth.
    """
    known = depths[depths.isfinite()].flatten()
    known = known[:: max(1, len(known) // MOST_PIXELS)]
    if not len(known):
        return math.inf
    no_backdrop = known[known <= BACKDROP * known.quantile(NEAREST)]
    return FAR * float(no_backdrop.median())


@torch.no_grad()
def depth_map(
    gaussians: Gaussians,
    camera: Cameras,
    near: float,
    far: float = math.inf,
    background: Float[Tensor, "3"] | None = None,
) -> DepthMap:
    """Draw one camera's view; `near` and `background` as in `render`.

    On surfaces that are seen too much edge on, depth is unknown; beyond `far`, in world units, is nothing.
    """
    white = torch.ones(3) if background is None else background
    color, alpha, depth = surface_depth(gaussians.to("cpu"), camera.to("cpu").to(torch.float32), white, near)
    normals = normals_from_depth(depth, camera)
    rays = _rays(camera, depth)
    cosine = -(normals * normalize(rays, dim=-1)).sum(-1)
    surface = (alpha >= SOLID) & depth.isfinite() & (depth <= far) & (cosine >= LEAST_COSINE)
    nothing = torch.where((alpha <= EMPTY) | (depth.isfinite() & (depth > far)), torch.inf, torch.nan)
    return DepthMap(
        camera,
        torch.where(surface, depth, nothing),
        torch.where(surface, cosine, 0),
        color.clamp(0, 1),
    )


def normals_from_depth(depth: Float[Tensor, "height width"], camera: Cameras) -> Float[Tensor, "height width 3"]:
    """Return the direction in which the surface through neighbouring pixels faces, in world axes, towards the camera.

    From differences to the neighbour on the nearer side, so that a surface's last pixel is not bent towards what lies
    behind it. NaN where depth is not finite.
    """
    rays = _rays(camera, depth)
    places = depth[..., None] * rays  # from the camera
    across = _slope(places, depth, 1)
    down = _slope(places, depth, 0)
    normal = normalize(torch.linalg.cross(down, across), dim=-1)
    facing = (normal * rays).sum(-1, keepdim=True)
    return torch.where(facing > 0, -normal, normal)


def _rays(camera: Cameras, like: Tensor) -> Float[Tensor, "height width 3"]:
    return directions_through(camera, pixel_centers(camera.width, camera.height, like)[None])[0]


def _slope(
    places: Float[Tensor, "height width 3"], depth: Float[Tensor, "height width"], axis: int
) -> Float[Tensor, "height width 3"]:
    """Return the difference to the next or to the previous pixel: to the one whose depth differs less."""
    last = depth.shape[axis] - 1
    if last == 0:
        return torch.full_like(places, math.nan)
    step, change = places.diff(dim=axis), depth.diff(dim=axis).abs()
    to_next = torch.cat([step, step.narrow(axis, last - 1, 1)], dim=axis)
    from_previous = torch.cat([step.narrow(axis, 0, 1), step], dim=axis)
    change_next = torch.cat([change, change.narrow(axis, last - 1, 1)], dim=axis)
    change_previous = torch.cat([change.narrow(axis, 0, 1), change], dim=axis)
    nearer = change_next.nan_to_num(torch.inf) <= change_previous.nan_to_num(torch.inf)
    return torch.where(nearer[..., None], to_next, from_previous)
