"""Floaters go: Gaussians that views contradict are left out, as far as photos look better without them.

Photos decide how many: several thresholds are tried, and the whole scene stays if every one of them lowers the score.
Only what views contradict is a candidate; what no view shows has no confidence either, but may well be right.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool
from torch import Tensor

from ilrm_cli.confidence import Support
from ilrm_cli.gaussians import Gaussians
from ilrm_cli.progress import Report, Step, ignore
from ilrm_cli.refine import score
from ilrm_cli.views import Views

THRESHOLDS = (0.8, 0.7, 0.6, 0.5)  # of `Support.contradiction`: at 0.5, views against it outweigh those for it by DOUBT


@dataclass(frozen=True)
class Pruning:
    """What was left out. Scores are means over the judging photos, in dB."""

    dropped: int  # Gaussians; 0 where every threshold lowered the score
    threshold: float | None  # of the contradiction above which they were dropped; None where none was
    psnr_before: float
    psnr_after: float  # never lower
    judges: int  # photos that decided


def prune(
    gaussians: Gaussians, support: Support, judges: Views, report: Report = ignore
) -> tuple[Bool[Tensor, " gaussian"], Pruning]:
    """Which Gaussians to keep, and what was done.

    Of the whole scene and those without what is contradicted, the one that shows the judges best; of equally good ones
    the smallest.
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
