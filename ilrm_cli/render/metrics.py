"""Image quality, the way the paper states it, and the scores of a scene against photos."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import conv2d

from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.geometry.views import Views
from ilrm_cli.render.rasterize import render
from ilrm_cli.runtime.progress import Report, Step, ignore

SSIM_WINDOW, SSIM_SIGMA = 11, 1.5  # px; Wang et al. 2004
SSIM_C1, SSIM_C2 = 0.01**2, 0.03**2  # for a data range of 1
_EDGE = SSIM_WINDOW // 2  # px that a window needs on each side
PSNR_CAP = 100.0  # dB: the value for identical images


def psnr(
    images: Float[Tensor, "view 3 height width"],
    targets: Float[Tensor, "view 3 height width"],
    masks: Float[Tensor, "view height width"] | None = None,
) -> Float[Tensor, " view"]:
    """Return the peak signal-to-noise ratio in dB of each view; both are clamped to [0, 1]. `masks` as in `Views`."""
    squared = (images.clamp(0, 1) - targets.clamp(0, 1)).square()
    return (-10 * _mean(squared, masks).log10()).clamp_max(PSNR_CAP)


def ssim(
    images: Float[Tensor, "view 3 height width"],
    targets: Float[Tensor, "view 3 height width"],
    masks: Float[Tensor, "view height width"] | None = None,
) -> Float[Tensor, " view"]:
    """Return the structural similarity of each view: 11 x 11 Gaussian window (sigma 1.5 px), valid region, range 1.

    Differentiable. Sides must be at least 11 px. Pixels ignored by `masks` (as in `Views`) are replaced by the target's
    in both images, and windows centred on them do not count.
    """
    x, y = images.clamp(0, 1), targets.clamp(0, 1)
    if masks is not None:
        x, masks = torch.where(masks[:, None] > 0, x, y), masks[:, _EDGE:-_EDGE, _EDGE:-_EDGE]
    mean_x, mean_y = _blur(x), _blur(y)
    var_x, var_y = _blur(x * x) - mean_x**2, _blur(y * y) - mean_y**2
    covariance = _blur(x * y) - mean_x * mean_y
    luminance = (2 * mean_x * mean_y + SSIM_C1) / (mean_x**2 + mean_y**2 + SSIM_C1)
    structure = (2 * covariance + SSIM_C2) / (var_x + var_y + SSIM_C2)
    return _mean(luminance * structure, masks)


def _mean(
    values: Float[Tensor, "view 3 height width"], masks: Float[Tensor, "view height width"] | None
) -> Float[Tensor, " view"]:
    """Return the mean of each view over its valid pixels."""
    if masks is None:
        return values.mean(dim=(1, 2, 3))
    return (values.mean(1) * masks).sum(dim=(1, 2)) / masks.sum(dim=(1, 2)).clamp_min(1)


def _blur(images: Tensor) -> Tensor:
    offset = torch.arange(SSIM_WINDOW, device=images.device, dtype=images.dtype) - _EDGE
    window = torch.exp(-(offset**2) / (2 * SSIM_SIGMA**2))
    window = (window / window.sum()).expand(images.shape[1], 1, 1, -1)
    rows = conv2d(images, window, groups=images.shape[1])
    return conv2d(rows, window.transpose(2, 3), groups=images.shape[1])


@torch.no_grad()
def score(gaussians: Gaussians, views: Views) -> float:
    """Return the mean PSNR in dB over the views, without masked pixels."""
    one_by_one = [views[[i]] for i in range(len(views))]
    scores = [psnr(render(gaussians, v.cameras).color, v.images, v.masks) for v in one_by_one]
    return float(torch.cat(scores).mean())


@dataclass(frozen=True)
class Score:
    """Mean scores over the held-out photos."""

    psnr: float  # dB
    ssim: float


@torch.no_grad()
def score_of(gaussians: Gaussians, targets: Views, report: Report = ignore) -> Score:
    """Return the mean PSNR and SSIM over the targets, without masked pixels."""
    quality, structure = [], []
    for i in range(len(targets)):
        target = targets[[i]]
        image = render(gaussians, target.cameras).color
        quality.append(psnr(image, target.images, target.masks))
        structure.append(ssim(image, target.images, target.masks))
        report(Step("score", i + 1, len(targets)))
    return Score(float(torch.cat(quality).mean()), float(torch.cat(structure).mean()))
