"""Channels of a film's frames: colour, depth, alpha, and confidence."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float, Float64, UInt8
from numpy import ndarray
from torch import Tensor

from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.geometry.fields import PlacedField
from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.geometry.harmonics import from_grey
from ilrm_cli.render.probes import glance, harmonic_depth
from ilrm_cli.render.rasterize import pixels_of, render, to_uint8
from ilrm_cli.render.volume import draw
from ilrm_cli.scene.opened import ShownScene

RANGE_SAMPLES = 32  # frames used to determine the depth range
RANGE_SHARES = (0.02, 0.98)  # quantiles of the depths shown; nearer or farther ones get the end's colour

MIN_RANGE = 1e-3  # relative to the near end, if everything is at one depth

# Viridis (Smith and van der Walt 2015, public domain): perceptually uniform and readable in grey. Every 15th of its 256
# colours, linearly interpolated.
VIRIDIS = (
    (68, 1, 84), (72, 23, 105), (71, 42, 122), (67, 61, 132), (61, 78, 138), (53, 94, 141), (46, 109, 142),
    (41, 123, 142), (35, 137, 142), (31, 151, 139), (33, 165, 133), (46, 179, 124), (70, 192, 111), (101, 203, 94),
    (137, 213, 72), (176, 221, 47), (216, 226, 25), (253, 231, 37),
)  # fmt: skip


@dataclass(frozen=True)
class Film:
    """A scene and its presentation, the same in every frame."""

    shown: ShownScene  # its background is that of the colours; other channels have a black one
    channels: tuple[str, ...]  # of `render.checks.CHANNELS`, from left to right
    depth_range: tuple[float, float] | None = None  # world units, of yellow and dark blue; linear in 1 / depth
    field: PlacedField | None = None  # that is drawn in the place of Gaussians on its surface

    @torch.inference_mode()
    def frame(self, camera: Cameras) -> UInt8[ndarray, "height width 3"]:
        """Render all channels of one camera side by side."""
        panels = {"rgb": self._colors, "depth": self._depth, "alpha": self._alpha, "confidence": self._confidence}
        shown = [panels[channel](camera) for channel in self.channels]
        return shown[0] if len(shown) == 1 else np.concatenate(shown, axis=1)

    @property
    def _scene(self) -> Gaussians | PlacedField:
        return self.field or self.shown.file.gaussians

    @torch.inference_mode()
    def colors(self, camera: Cameras) -> UInt8[ndarray, "height width 3"]:
        """Render the colours alone, whatever the channels."""
        return self._colors(camera)

    def _colors(self, camera: Cameras) -> UInt8[ndarray, "height width 3"]:
        background = torch.tensor(self.shown.background) if self.field is None else None
        return pixels_of(draw(self._scene, camera, background=background, near=self.shown.near).color[0])

    def _depth(self, camera: Cameras) -> UInt8[ndarray, "height width 3"]:
        """Render depth from yellow (near) to dark blue (far)."""
        assert self.depth_range is not None, "the channel depth without a range"
        near, far = self.depth_range
        if self.field is None:
            depth, alpha = harmonic_depth(self.shown.file.gaussians, camera, self.shown.near)
        else:
            drawn = draw(self.field, camera)
            depth, alpha = drawn.depth[0].clamp_min(self.shown.near), drawn.alpha[0]
        return colored((1 / depth - 1 / far) / (1 / near - 1 / far), alpha)

    def _alpha(self, camera: Cameras) -> UInt8[ndarray, "height width 3"]:
        drawn = draw(self._scene, camera, near=self.shown.near)
        return np.repeat(to_uint8(drawn.alpha[0])[..., None], 3, axis=2)

    def _confidence(self, camera: Cameras) -> UInt8[ndarray, "height width 3"]:
        """Render the mean confidence of each pixel's content, from dark blue (0) to yellow (1)."""
        file = self.shown.file
        assert file.confidence is not None, "the channel confidence without any"
        splats = replace(file.gaussians, harmonics=from_grey(file.confidence))
        drawn = render(splats, camera, background=torch.zeros(3), near=self.shown.near)
        return colored(drawn.color[0, 0] / drawn.alpha[0].clamp_min(1e-6), drawn.alpha[0])


def depth_range(cameras: Cameras, shown: ShownScene) -> tuple[float, float]:
    """Return the depth range, in world units, of nearly all content of evenly chosen frames, to be used for all."""
    chosen = cameras[:: -(-len(cameras) // RANGE_SAMPLES)]
    depths, near = glance(chosen, shown.file.gaussians, shown.near).depth, shown.near
    seen = depths[depths.isfinite()]
    if len(seen) == 0:
        return near, 2 * near
    low, high = torch.quantile(seen, torch.tensor(RANGE_SHARES)).tolist()
    return low, max(high, low * (1 + MIN_RANGE))


def colored(
    values: Float[Tensor, "height width"], alpha: Float[Tensor, "height width"]
) -> UInt8[ndarray, "height width 3"]:
    """Map values in [0, 1] (others are clamped) to the colours of VIRIDIS, on black."""
    table = ramp_colors(np.linspace(0, len(VIRIDIS) - 1, 256), VIRIDIS)
    colors = torch.from_numpy(table).to(values.device, torch.float32)[(values.clamp(0, 1) * 255).round().int()]
    return to_uint8(colors.mul_(alpha[..., None] / 255))


def ramp_colors(
    places: Float[ndarray, "*place"], anchors: Sequence[tuple[int, int, int]]
) -> Float64[ndarray, "*place 3"]:
    """Return the colours at places along a ramp: 0 is the first of its anchors, 1 the second, linear in between."""
    columns = np.array(anchors, dtype=float).T
    return np.stack([np.interp(places, np.arange(len(anchors)), column) for column in columns], axis=-1)
