"""Image quality, the way the paper states it, and the scores of a scene against photos."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import conv2d

from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.geometry.fields import PlacedField
from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.geometry.views import Views, ViewSource
from ilrm_cli.render.rasterize import NEAR
from ilrm_cli.render.volume import draw
from ilrm_cli.runtime.progress import Report, Step, ignore

SSIM_WINDOW, SSIM_SIGMA = 11, 1.5  # px; Wang et al. 2004
SSIM_C1, SSIM_C2 = 0.01**2, 0.03**2  # for a data range of 1
_EDGE = SSIM_WINDOW // 2  # px that a window needs on each side
LEAST_VARIANCE = 1e-3  # of colours in half a picture, below which they tell no gain
PSNR_CAP = 100.0  # dB: the value for identical images

# Of pictures, photos and masks, as `psnr` and `ssim`; one number per view.
Measure = Callable[[Tensor, Tensor, Tensor | None], Tensor]


def psnr(
    images: Float[Tensor, "view 3 height width"],
    targets: Float[Tensor, "view 3 height width"],
    masks: Float[Tensor, "view height width"] | None = None,
) -> Float[Tensor, " view"]:
    """Return the peak signal-to-noise ratio in dB of each view; both are clamped to [0, 1]. `masks` as in `Views`."""
    squared = (images.clamp(0, 1) - targets.clamp(0, 1)).square()
    return (-10 * _mean(squared, masks).log10()).clamp_max(PSNR_CAP)


def evened_psnr(
    images: Float[Tensor, "view 3 height width"],
    targets: Float[Tensor, "view 3 height width"],
    masks: Float[Tensor, "view height width"] | None = None,
) -> Float[Tensor, " view"]:
    """Return `psnr` with exposure and white balance evened out: a gain and an offset of each channel of each view.

    Those of the left half are fitted to the right one by least squares and the other way round, so that no pixel tells
    its own colour (as in NeRF in the Wild, Martin-Brualla et al. 2021).
    """
    middle = images.shape[-1] // 2
    halves, evened = (slice(0, middle), slice(middle, None)), torch.empty_like(images)
    for told, shown in (halves, halves[::-1]):
        x, y = images[..., told], targets[..., told]
        weight = torch.ones_like(x[:, :1]) if masks is None else masks[:, None, :, told]
        weight = weight / weight.sum((2, 3), keepdim=True).clamp_min(1)
        mean_x, mean_y = ((weight * values).sum((2, 3), keepdim=True) for values in (x, y))
        variance = (weight * (x - mean_x).square()).sum((2, 3), keepdim=True)
        shared = (weight * (x - mean_x) * (y - mean_y)).sum((2, 3), keepdim=True)
        gain = torch.where(variance > LEAST_VARIANCE, shared / variance.clamp_min(LEAST_VARIANCE), 1)
        evened[..., shown] = mean_y + gain * (images[..., shown] - mean_x)
    return psnr(evened, targets, masks)


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


def mean_ssim(
    images: Float[Tensor, "view 3 height width"],
    targets: Float[Tensor, "view 3 height width"],
    masks: Float[Tensor, "view height width"] | None = None,
) -> Float[Tensor, ""]:
    """Return the mean of `ssim` over views of one size, for losses: in compiled code where that serves.

    Differentiable with respect to `images`. Compiled are float32 images on the CPU without masks.
    """
    if masks is not None or images.device.type != "cpu" or images.dtype != torch.float32:
        return ssim(images, targets, masks).mean()
    from ilrm_cli.render.cpu.ssim import mean_similarity  # compiles at first use

    x, y = (pictures.clamp(0, 1).flatten(0, 1) for pictures in (images, targets))
    return mean_similarity(x, y, _taps(images), SSIM_C1, SSIM_C2)


def _mean(
    values: Float[Tensor, "view 3 height width"], masks: Float[Tensor, "view height width"] | None
) -> Float[Tensor, " view"]:
    """Return the mean of each view over its valid pixels."""
    if masks is None:
        return values.mean(dim=(1, 2, 3))
    return (values.mean(1) * masks).sum(dim=(1, 2)) / masks.sum(dim=(1, 2)).clamp_min(1)


def _taps(like: Tensor) -> Float[Tensor, " tap"]:
    """Return one row of the window."""
    offset = torch.arange(SSIM_WINDOW, device=like.device, dtype=like.dtype) - _EDGE
    window = torch.exp(-(offset**2) / (2 * SSIM_SIGMA**2))
    return window / window.sum()


def _blur(images: Tensor) -> Tensor:
    window = _taps(images).expand(images.shape[1], 1, 1, -1)
    rows = conv2d(images, window, groups=images.shape[1])
    return conv2d(rows, window.transpose(2, 3), groups=images.shape[1])


def renders(
    scene: Gaussians | PlacedField,
    cameras: Cameras,
    *,
    background: Float[Tensor, "3"] | None = None,
    near: float = NEAR,
) -> Iterator[Float[Tensor, "1 3 height width"]]:
    """Render the cameras one by one, as `draw` does."""
    for i in range(len(cameras)):
        yield draw(scene, cameras[[i]], background=background, near=near).color


@torch.no_grad()
def score_views(
    pictures: Iterable[Float[Tensor, "1 3 height width"]],
    targets: ViewSource,
    *measures: Measure,
    stage: str = "scoring",
    report: Report = ignore,
) -> tuple[Float[Tensor, " view"], ...]:
    """Return what each measure says of the pictures, one per target, beside the targets; masked pixels do not count."""
    found = []
    for i, picture in enumerate(pictures):
        target = targets[[i]]
        found.append([measure(picture, target.images, target.masks) for measure in measures])
        report(Step(stage, i + 1, len(targets)))
    return tuple(torch.cat(values) for values in zip(*found, strict=True))


def score(scene: Gaussians | PlacedField, views: ViewSource, measure: Measure = psnr) -> float:
    """Return the mean PSNR in dB over the views, or that of another measure, without masked pixels."""
    (values,) = score_views(renders(scene, views.cameras), views, measure)
    return float(values.mean())


@dataclass(frozen=True)
class ScoredView:
    """A held-out photo's scores, and the scene from its camera."""

    psnr: float  # dB
    ssim: float
    render: Float[Tensor, "3 height width"]  # on the CPU


@dataclass(frozen=True)
class Score:
    """Mean scores over the held-out photos."""

    psnr: float  # dB
    ssim: float
    views: tuple[ScoredView, ...] = ()  # one per photo


def score_of(scene: Gaussians | PlacedField, targets: Views, report: Report = ignore) -> Score:
    """Return the PSNR and SSIM of the targets, without masked pixels."""
    kept: list[Tensor] = []

    def pictures() -> Iterator[Tensor]:
        for picture in renders(scene, targets.cameras):
            kept.append(picture[0].cpu())
            yield picture

    quality, structure = score_views(pictures(), targets, psnr, ssim, report=report)
    views = map(ScoredView, quality.tolist(), structure.tolist(), kept)
    return Score(float(quality.mean()), float(structure.mean()), tuple(views))
