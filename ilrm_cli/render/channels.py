"""What a frame of a film can show of a scene: its colours, its depth, how solid it is, how well photos support it."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float, UInt8
from numpy import ndarray
from torch import Tensor

from ilrm_cli.cameras import Cameras
from ilrm_cli.gaussians import Gaussians
from ilrm_cli.harmonics import SH_C0
from ilrm_cli.render.glance import glance
from ilrm_cli.render.harmonic_depth import harmonic_depth
from ilrm_cli.render.rasterize import render

RANGE_SAMPLES = 32  # frames that the range of depth is taken from
RANGE_SHARES = (0.02, 0.98)  # of what they show; what is nearer or farther has the colour of the end

MIN_RANGE = 1e-3  # of the nearer end, where all is at one depth

# Viridis (Smith and van der Walt 2015, public domain): even to the eye and readable in grey. Every 15th of its 256
# colours; between them lines.
VIRIDIS = (
    (68, 1, 84), (72, 23, 105), (71, 42, 122), (67, 61, 132), (61, 78, 138), (53, 94, 141), (46, 109, 142),
    (41, 123, 142), (35, 137, 142), (31, 151, 139), (33, 165, 133), (46, 179, 124), (70, 192, 111), (101, 203, 94),
    (137, 213, 72), (176, 221, 47), (216, 226, 25), (253, 231, 37),
)  # fmt: skip


@dataclass(frozen=True)
class Film:
    """A scene and how it is shown, the same in every frame."""

    gaussians: Gaussians
    confidence: Float[Tensor, " gaussian"] | None  # in [0, 1]; needed by the channel of that name
    background: Float[Tensor, "3"]  # behind the colours, in [0, 1]; the other channels stand before black
    near: float  # world units, as in `render`
    channels: tuple[str, ...]  # of `names.CHANNELS`, from left to right
    depth_range: tuple[float, float] | None = None  # world units, yellow and dark blue, even in 1 / depth between

    @torch.inference_mode()
    def frame(self, camera: Cameras) -> UInt8[ndarray, "height width 3"]:
        """All channels of one camera side by side."""
        panels = {"rgb": self._colors, "depth": self._depth, "alpha": self._alpha, "confidence": self._confidence}
        shown = [panels[channel](camera) for channel in self.channels]
        return shown[0] if len(shown) == 1 else np.concatenate(shown, axis=1)

    @torch.inference_mode()
    def colors(self, camera: Cameras) -> UInt8[ndarray, "height width 3"]:
        """The colours alone, whatever the channels."""
        return self._colors(camera)

    def _colors(self, camera: Cameras) -> UInt8[ndarray, "height width 3"]:
        drawn = render(self.gaussians, camera, background=self.background, near=self.near)
        return pixels_of(drawn.color[0])

    def _depth(self, camera: Cameras) -> UInt8[ndarray, "height width 3"]:
        """From yellow (near) to dark blue (far)."""
        assert self.depth_range is not None, "the channel depth without a range"
        near, far = self.depth_range
        depth, alpha = harmonic_depth(self.gaussians, camera, self.near)
        return colored((1 / depth - 1 / far) / (1 / near - 1 / far), alpha)

    def _alpha(self, camera: Cameras) -> UInt8[ndarray, "height width 3"]:
        drawn = render(self.gaussians, camera, near=self.near)
        return np.repeat(_bytes(drawn.alpha[0])[..., None], 3, axis=2)

    def _confidence(self, camera: Cameras) -> UInt8[ndarray, "height width 3"]:
        """The mean confidence of what each pixel shows, from dark blue (0) to yellow (1)."""
        assert self.confidence is not None, "the channel confidence without any"
        harmonics = ((self.confidence - 0.5) / SH_C0)[:, None, None].expand(-1, 1, 3).contiguous()
        splats = replace(self.gaussians, harmonics=harmonics)
        drawn = render(splats, camera, background=torch.zeros(3), near=self.near)
        return colored(drawn.color[0, 0] / drawn.alpha[0].clamp_min(1e-6), drawn.alpha[0])


def depth_range(cameras: Cameras, gaussians: Gaussians, near: float) -> tuple[float, float]:
    """World units between which nearly all of what the frames show lies, from an even choice of them; for all alike."""
    chosen = cameras[:: -(-len(cameras) // RANGE_SAMPLES)]
    depths = glance(chosen, gaussians, near).depth
    shown = depths[depths.isfinite()]
    if len(shown) == 0:
        return near, 2 * near
    low, high = torch.quantile(shown, torch.tensor(RANGE_SHARES)).tolist()
    return low, max(high, low * (1 + MIN_RANGE))


def colored(
    values: Float[Tensor, "height width"], alpha: Float[Tensor, "height width"]
) -> UInt8[ndarray, "height width 3"]:
    """Values in [0, 1] (others count as the nearer end) in the colours of VIRIDIS, before black."""
    levels = np.linspace(0, len(VIRIDIS) - 1, 256)
    table = np.stack([np.interp(levels, np.arange(len(VIRIDIS)), column) for column in np.array(VIRIDIS).T], axis=1)
    colors = torch.from_numpy(table).to(values.device, torch.float32)[(values.clamp(0, 1) * 255).round().int()]
    return _bytes(colors.mul_(alpha[..., None] / 255))


def pixels_of(color: Float[Tensor, "3 height width"]) -> UInt8[ndarray, "height width 3"]:
    """A rendered image as a picture."""
    planes = _bytes(color)
    pixels = np.empty((*planes.shape[1:], 3), np.uint8)
    for channel in range(3):  # a third of the time of one transposed copy
        pixels[..., channel] = planes[channel]
    return pixels


def _bytes(values: Tensor) -> UInt8[ndarray, "..."]:
    """[0, 1] to 0...255, rounded."""
    return values.clamp(0, 1).mul_(255).round_().to(torch.uint8).cpu().numpy()
