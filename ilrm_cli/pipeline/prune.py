"""Confidence of each Gaussian, and floaters left out by it.

Confidence is how well photos support a Gaussian, whatever made it: do the views agree on its depth and its colour?
Every view is drawn. A Gaussian in its picture, z from the camera, is compared with the depth that the whole scene shows
at its pixel: at that depth it is a part of the visible surface, and the view agrees with it as far as the picture has
the photo's colours there; in front of it, it is a veil that the rest of the scene outweighs, and the view contradicts
it; behind it, it is hidden, and the view says nothing. `predict.witnesses` knows the depth map that each view
predicted; this knows no origin of Gaussians, and works after refinement, too.

What it cannot see well: a solid patch that hides the surface and has its colours is itself the depth that is shown.
Judging each quarter of the Gaussians by the other three finds lone ones, but told wrong depths of predictions apart
less well (mean AUC 0.65 instead of 0.71 on three scenes), since surfaces that few views cover become holes.

Only what views contradict may be pruned; what no view shows has no confidence either, but may well be right. Photos
decide how many: several thresholds are tried, and the whole scene stays if every one of them lowers the score.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import avg_pool2d

from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.geometry.views import Views
from ilrm_cli.render.metrics import score
from ilrm_cli.render.probes import harmonic_depth
from ilrm_cli.render.rasterize import NEAR, render
from ilrm_cli.runtime.progress import Report, Step, ignore

# Chosen on predictions of five procedural scenes by how well they separate right depths from wrong ones; this hardly
# changes between 0.15 and 0.3 for depths and 0.1 and 0.2 for colours.
DEPTH_TOLERANCE = 0.2  # of log-depth: agreement is 1/e there
COLOR_TOLERANCE = 0.1  # mean difference over channels, colours in [0, 1]: agreement is 1/e there
BLUR_PX = 9  # window for comparing colours: mere softness is not an error
PRIOR_VIEWS = 1.0  # prior doubt in units of views: what a single view confirms has at most 1/2

THRESHOLDS = (0.8, 0.7, 0.6, 0.5)  # of `Votes.contradiction`: at 0.5, views against outweigh views for by PRIOR_VIEWS


@dataclass(frozen=True)
class Votes:
    """Votes of the views on each Gaussian, in fractions of views."""

    agreeing: Float[Tensor, " gaussian"]
    contradicting: Float[Tensor, " gaussian"]

    def confidence(self) -> Float[Tensor, " gaussian"]:
        """Return the confidence in [0, 1): grows with every agreeing view; 0 without any, even if no view shows it."""
        return self.agreeing / (self.agreeing + self.contradicting + PRIOR_VIEWS)

    def contradiction(self) -> Float[Tensor, " gaussian"]:
        """Return the contradiction in [0, 1), from contradicting views; 0 for Gaussians that no view shows."""
        return self.contradicting / (self.agreeing + self.contradicting + PRIOR_VIEWS)


@torch.no_grad()
def votes_on(gaussians: Gaussians, views: Views, report: Report = ignore) -> Votes:
    """Collect the votes of the views, in the normalised frame of the inputs. Masked pixels do not vote.

    Two pictures are rendered per view: 0.7 to 1.8 s of CPU for 7 to 12 views of 256 px and 70,000 to 160,000 Gaussians.
    """
    agreeing, contradicting = torch.zeros_like(gaussians.opacities), torch.zeros_like(gaussians.opacities)
    for i in range(len(views)):
        agrees, disagrees = _said_by(views[[i]], gaussians)
        agreeing += agrees
        contradicting += disagrees
        report(Step("confidence", i + 1, len(views)))
    return Votes(agreeing, contradicting)


def _said_by(view: Views, gaussians: Gaussians) -> tuple[Float[Tensor, " gaussian"], Float[Tensor, " gaussian"]]:
    """Return how much one view agrees with and contradicts each Gaussian, both in [0, 1]."""
    camera = view.cameras
    seen = camera.project(gaussians.means)
    z, (row, column) = seen.depth[0], seen.cells()
    inside = seen.inside[0] & (z >= NEAR)
    pixel = (row * camera.width + column)[0]

    surface = harmonic_depth(gaussians, camera, NEAR)[0].flatten()[pixel]
    speaks = inside & surface.isfinite()
    if view.masks is not None:
        speaks &= view.masks.flatten()[pixel] > 0
    apart = (z.clamp_min(NEAR) / surface).log()  # 0 at the surface, negative in front of it
    at_surface = torch.exp(-(apart / DEPTH_TOLERANCE).square())
    in_front = torch.where(apart < 0, 1 - at_surface, 0)
    alike = torch.exp(-(_color_error(view, gaussians).flatten()[pixel] / COLOR_TOLERANCE).square())
    agrees, contradicts = at_surface * alike, torch.maximum(in_front, at_surface * (1 - alike))
    agrees, contradicts = torch.where(speaks, agrees, 0), torch.where(speaks, contradicts, 0)
    if view.empty is None:
        return agrees, contradicts
    hollow = inside & (view.empty.flatten()[pixel] > 0)  # the photo shows empty space there
    return torch.where(hollow, 0, agrees), torch.where(hollow, 1, contradicts)


def _color_error(view: Views, gaussians: Gaussians) -> Float[Tensor, "height width"]:
    """Return the blurred colour difference of render and photo around each pixel, mean over channels, in [0, 1]."""
    difference = view.counted(render(gaussians, view.cameras).color.clamp(0, 1) - view.images)
    blurred = avg_pool2d(difference, BLUR_PX, stride=1, padding=BLUR_PX // 2, count_include_pad=False)
    return blurred.abs().mean(1)[0]


@dataclass(frozen=True)
class Pruning:
    """The result of pruning. Scores are means over the judging photos, in dB."""

    dropped: int  # Gaussians; 0 if every threshold lowered the score
    threshold: float | None  # of the contradiction above which they were dropped; None if none were
    psnr_before: float
    psnr_after: float  # never lower
    judges: int  # photos that decided


def prune(
    gaussians: Gaussians, votes: Votes, judges: Views, report: Report = ignore
) -> tuple[Bool[Tensor, " gaussian"], Pruning]:
    """Return a mask of the Gaussians to keep, and a summary.

    Of the whole scene and those without contradicted Gaussians, the one that shows the judges best is chosen; of
    equally good ones the smallest.
    """
    before = score(gaussians, judges)
    kept, threshold, best = torch.ones_like(gaussians.opacities, dtype=torch.bool), None, before
    contradiction = votes.contradiction()
    for done, candidate in enumerate(THRESHOLDS, start=1):
        rest = contradiction <= candidate
        if int(rest.sum()) < int(kept.sum()) and (now := score(gaussians[rest], judges)) >= best:
            kept, threshold, best = rest, candidate, now
        report(Step("prune", done, len(THRESHOLDS)))
    return kept, Pruning(int((~kept).sum()), threshold, before, best, len(judges))


@dataclass(frozen=True)
class Trusted:
    """A scene without contradicted Gaussians, and the confidence in the rest, as far as they were asked for."""

    gaussians: Gaussians
    confidence: Float[Tensor, " gaussian"] | None = None  # support of each by the inputs; None: not requested
    pruning: Pruning | None = None  # None: not requested


def trusted(
    gaussians: Gaussians,
    inputs: Views,
    judges: Views,
    *,
    with_confidence: bool,
    pruned: bool,
    report: Report = ignore,
) -> Trusted:
    """Return the scene pruned and with confidence, each on request. The inputs vote, the judges decide on pruning."""
    if not (with_confidence or pruned):
        return Trusted(gaussians)
    found = votes_on(gaussians, inputs, report)
    kept, pruning = torch.ones_like(gaussians.opacities, dtype=torch.bool), None
    if pruned:
        kept, pruning = prune(gaussians, found, judges, report)
    return Trusted(gaussians[kept], found.confidence()[kept] if with_confidence else None, pruning)
