"""Pruning of floaters: Gaussians that views contradict are dropped if photos look better without them.

Photos decide how many: several thresholds are tried, and the whole scene stays if every one of them lowers the score.
Only contradicted Gaussians are candidates; those that no view shows have no confidence either, but may well be right.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool
from torch import Tensor

from ilrm_cli.confidence import Support
from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.geometry.views import Views
from ilrm_cli.render.metrics import score
from ilrm_cli.runtime.progress import Report, Step, ignore

THRESHOLDS = (0.8, 0.7, 0.6, 0.5)  # of `Support.contradiction`: at 0.5, views against outweigh views for by DOUBT


@dataclass(frozen=True)
class Pruning:
    """The result of pruning. Scores are means over the judging photos, in dB."""

    dropped: int  # Gaussians; 0 if every threshold lowered the score
    threshold: float | None  # of the contradiction above which they were dropped; None if none were
    psnr_before: float
    psnr_after: float  # never lower
    judges: int  # photos that decided


def prune(
    gaussians: Gaussians, support: Support, judges: Views, report: Report = ignore
) -> tuple[Bool[Tensor, " gaussian"], Pruning]:
    """Return a mask of the Gaussians to keep, and a summary.

    Of the whole scene and those without contradicted Gaussians, the one that shows the judges best is chosen; of
    equally good ones the smallest.
    """
    before = score(gaussians, judges)
    kept, threshold, best = torch.ones_like(gaussians.opacities, dtype=torch.bool), None, before
    contradiction = support.contradiction()
    for done, candidate in enumerate(THRESHOLDS, start=1):
        rest = contradiction <= candidate
        if int(rest.sum()) < int(kept.sum()) and (now := score(gaussians[rest], judges)) >= best:
            kept, threshold, best = rest, candidate, now
        report(Step("prune", done, len(THRESHOLDS)))
    return kept, Pruning(int((~kept).sum()), threshold, before, best, len(judges))
