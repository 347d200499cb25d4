"""Cameras and their rays, and the camera conventions of the whole package.

Camera axes are OpenCV's: x right, y down, z forward. `world_from_cam` is a rigid 4x4 pose: its columns are the camera's
axes and position in world coordinates. Pixel (column i, row j) covers [i, i+1) x [j, j+1) and has its centre at (i +
0.5, j + 0.5); focal lengths and principal points are in pixels of the stated image size.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

NEAREST = 1e-6  # depth in any unit: pixels of nearer points, or of points behind the camera, are meaningless


# What any camera can have, relative to the longer side of its photos: lenses of 179 degrees to telescopes.
LEAST_FOCAL, MOST_FOCAL, FARTHEST_CENTER = 0.004, 1e4, 20
LONGEST_SIDE_PX = 1_000_000
MOST_PIXELS = 34_000_000  # of pictures that are drawn or shown to a model: 8K


def plausible(focal_px: Iterable[float], center_px: Iterable[float], width: int, height: int) -> bool:
    """Return whether a camera can have this focal length, principal point and size."""
    side = max(width, height)
    return (
        min(width, height) >= 1
        and side <= LONGEST_SIDE_PX
        and all(LEAST_FOCAL * side <= length <= MOST_FOCAL * side for length in focal_px)
        and all(abs(place) <= FARTHEST_CENTER * side for place in center_px)
    )


@dataclass(frozen=True)
class Lens:
    """A lens before any undistortion: one of COLMAP's camera models, with parameters in its order."""

    model: str  # COLMAP's name: "SIMPLE_PINHOLE", "PINHOLE", "SIMPLE_RADIAL", "OPENCV", "OPENCV_FISHEYE", ...
    params: tuple[float, ...]  # focal length(s) and principal point in px of the size below, then distortion
    width: int  # px
    height: int  # px


@dataclass(frozen=True)
class Projected:
    """Points projected into cameras."""

    depth: Float[Tensor, "camera point"]  # z along the camera's axis, in the points' unit
    pixels: Float[Tensor, "camera point 2"]  # (x, y); meaningless where `inside` is False
    inside: Bool[Tensor, "camera point"]  # in front of the camera, and in its image
    width: int  # px
    height: int  # px

    def cells(self) -> tuple[Int[Tensor, "camera point"], Int[Tensor, "camera point"]]:
        """Return row and column of the pixel that holds each point; for those outside, of some pixel of the image."""
        column, row = self.pixels.floor().nan_to_num().unbind(-1)
        return row.clamp(0, self.height - 1).long(), column.clamp(0, self.width - 1).long()


@dataclass(frozen=True)
class Cameras:
    """A batch of pinhole cameras that share one image size."""

    world_from_cam: Float[Tensor, "camera 4 4"]
    focal_px: Float[Tensor, "camera 2"]  # (x, y)
    center_px: Float[Tensor, "camera 2"]  # principal point (x, y)
    width: int  # px
    height: int  # px

    def __len__(self) -> int:
        return self.world_from_cam.shape[0]

    def __getitem__(self, index: slice | Sequence[int] | Tensor) -> "Cameras":
        """Return a smaller batch: `cameras[2:5]`, `cameras[[0, 3]]`."""
        if not isinstance(index, slice):
            index = torch.as_tensor(index, device=self.world_from_cam.device)
        return self.mapped(lambda tensor: tensor[index])

    @property
    def cam_from_world(self) -> Float[Tensor, "camera 4 4"]:
        """World-to-camera poses, by transposing the rotation."""
        rotation = self.world_from_cam[:, :3, :3].transpose(1, 2)
        inverse = self.world_from_cam.clone()
        inverse[:, :3, :3] = rotation
        inverse[:, :3, 3] = -(rotation @ self.world_from_cam[:, :3, 3:]).squeeze(-1)
        return inverse

    @property
    def positions(self) -> Float[Tensor, "camera 3"]:
        """Centre of projection of each camera, in world units."""
        return self.world_from_cam[:, :3, 3]

    @property
    def forward(self) -> Float[Tensor, "camera 3"]:
        """Unit viewing direction of each camera, in world axes."""
        return self.world_from_cam[:, :3, 2]

    @property
    def intrinsics_px(self) -> Float[Tensor, "camera 3 3"]:
        """The matrix K from camera coordinates to homogeneous pixels."""
        k = torch.zeros(len(self), 3, 3).to(self.focal_px)
        k[:, 0, 0], k[:, 1, 1] = self.focal_px.unbind(-1)
        k[:, 0, 2], k[:, 1, 2] = self.center_px.unbind(-1)
        k[:, 2, 2] = 1
        return k

    def project(self, points: Float[Tensor, "point 3"] | Float[Tensor, "camera point 3"]) -> Projected:
        """Project points in world coordinates, shared by all cameras or one set per camera."""
        pose = self.cam_from_world
        local = points @ pose[:, :3, :3].transpose(1, 2) + pose[:, None, :3, 3]
        depth = local[..., 2]
        over = 1 / depth.clamp_min(NEAREST)
        pixels = local[..., :2] * over[..., None] * self.focal_px[:, None] + self.center_px[:, None]
        size = torch.tensor([self.width, self.height], device=pixels.device)
        inside = (depth > 0) & ((pixels >= 0) & (pixels < size)).all(-1)
        return Projected(depth, pixels, inside, self.width, self.height)

    def resized(self, width: int, height: int) -> "Cameras":
        """Return the cameras with their images resampled to another size."""
        factor = torch.tensor([width / self.width, height / self.height]).to(self.focal_px)
        return replace(
            self, focal_px=self.focal_px * factor, center_px=self.center_px * factor, width=width, height=height
        )

    def size_at(self, long_side_px: int, multiple: int = 1) -> tuple[int, int]:
        """Return (width, height) in px, both multiples, with this longer side in the same shape."""
        factor = long_side_px / max(self.width, self.height)
        wide, tall = (max(multiple, multiple * round(side * factor / multiple)) for side in (self.width, self.height))
        return wide, tall

    def at_long_side(self, long_side_px: int) -> "Cameras":
        """Return the cameras with their images resampled to this longer side."""
        return self.resized(*self.size_at(long_side_px))

    def moved(self, world_from_cam: Float[Tensor, "camera 4 4"]) -> "Cameras":
        """Return the same lenses at other poses."""
        return replace(self, world_from_cam=world_from_cam)

    def mapped(self, change: Callable[[Tensor], Tensor]) -> "Cameras":
        """Return the cameras with all tensors changed."""
        poses, focal_px, center_px = map(change, (self.world_from_cam, self.focal_px, self.center_px))
        return Cameras(poses, focal_px, center_px, self.width, self.height)

    def to(self, target: torch.device | torch.dtype | str) -> "Cameras":
        return self.mapped(lambda tensor: tensor.to(target))


def stack(cameras: Sequence[Cameras]) -> Cameras:
    """Concatenate several batches; all must have the same image size."""
    sizes = {(c.width, c.height) for c in cameras}
    assert len(sizes) == 1, f"cameras of different sizes cannot be stacked: {sizes}"
    return replace(
        cameras[0],
        world_from_cam=torch.cat([c.world_from_cam for c in cameras]),
        focal_px=torch.cat([c.focal_px for c in cameras]),
        center_px=torch.cat([c.center_px for c in cameras]),
    )


def fitted(cameras: Cameras, width: int, height: int) -> Cameras:
    """Return the cameras at another image size: scaled to fill it, then cropped evenly to its aspect ratio."""
    factor = max(width / cameras.width, height / cameras.height)
    margin = torch.tensor([width - cameras.width * factor, height - cameras.height * factor]) / 2
    return replace(
        cameras,
        focal_px=cameras.focal_px * factor,
        center_px=cameras.center_px * factor + margin.to(cameras.center_px),
        width=width,
        height=height,
    )


def pixel_centers(width: int, height: int, like: Tensor) -> Float[Tensor, "height width 2"]:
    """Return (column + 0.5, row + 0.5) of every pixel."""
    x = torch.arange(width, device=like.device, dtype=like.dtype) + 0.5
    y = torch.arange(height, device=like.device, dtype=like.dtype) + 0.5
    return torch.stack([x.expand(height, width), y[:, None].expand(height, width)], dim=-1)


def directions_through(
    cameras: Cameras, pixels: Float[Tensor, "camera height width 2"]
) -> Float[Tensor, "camera height width 3"]:
    """Return world-space vectors from each camera through pixel positions, of unit length along the camera's z axis."""
    in_camera = (pixels - cameras.center_px[:, None, None]) / cameras.focal_px[:, None, None]
    in_camera = torch.cat([in_camera, torch.ones_like(in_camera[..., :1])], dim=-1)
    return torch.einsum("vij,vhwj->vhwi", cameras.world_from_cam[:, :3, :3], in_camera)


def unit_rays(
    cameras: Cameras,
) -> tuple[Float[Tensor, "camera height width 3"], Float[Tensor, "camera height width 3"]]:
    """Return the origin and unit direction, in world space, of the ray through every pixel centre."""
    pixels = pixel_centers(cameras.width, cameras.height, cameras.focal_px).expand(len(cameras), -1, -1, -1)
    direction = torch.nn.functional.normalize(directions_through(cameras, pixels), dim=-1)
    return cameras.positions[:, None, None].expand_as(direction), direction


def unprojected(
    depth: Float[Tensor, "camera height width"], cameras: Cameras
) -> Float[Tensor, "camera height width 3"]:
    """Return the place of each pixel's centre from its z-depth, in world units; 0 where depth is not finite."""
    pixels = pixel_centers(cameras.width, cameras.height, cameras.focal_px).expand(len(cameras), -1, -1, -1)
    found = cameras.positions[:, None, None] + depth[..., None] * directions_through(cameras, pixels)
    return torch.where(depth.isfinite()[..., None], found, 0.0)
