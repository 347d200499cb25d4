"""Which state of a fit is best, and when it ends: photos that it does not see judge it a few times on the way.

The best state is kept, the prediction included: a fit explains few photos far apart without getting the scene right,
and goes too far.
"""

import math
from dataclasses import dataclass
from typing import Any

from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.geometry.views import Views
from ilrm_cli.pipeline.optimize.fit import Effort, Fit
from ilrm_cli.render.metrics import score
from ilrm_cli.runtime.progress import Report, Step, ignore

LOOKS = 8  # of the judges, evenly over the fit
PATIENCE = 2  # looks without a better score after which the fit ends


@dataclass(frozen=True)
class Optimized:
    """The result of a fit; scores are means over the judging views, in dB."""

    gaussians: Gaussians
    steps: int  # that led to it; 0 if nothing was better than the start
    ran: int  # until patience or the steps ran out
    photos: int  # that were fitted to
    width: int  # px of the photos
    height: int
    psnr_before: float | None  # of the prediction; None without judges
    psnr_after: float | None

    @property
    def figures(self) -> dict[str, Any]:
        """All but the scene, as JSON values."""
        return {name: value for name, value in vars(self).items() if name != "gaussians"}


def optimize(
    predicted: Gaussians,
    start: Gaussians,
    photos: Views,
    judges: Views | None,
    effort: Effort,
    *,
    horizon: float = math.inf,
    seed: int = 0,
    report: Report = ignore,
) -> Optimized:
    """Fit to `photos`, beginning at `start`; return the best state that the judges saw, `predicted` included.

    Everything is in one normalised frame. Without judges the last state is returned. Masked pixels count neither for
    fitting nor for judging. See `Fit` for `horizon`.
    """
    fit, every = Fit(start, photos, effort, horizon=horizon, seed=seed), max(1, effort.steps // LOOKS)
    before = None if judges is None else score(predicted, judges)
    best, best_score, best_at = predicted, -math.inf if before is None else before, 0
    for done in range(1, effort.steps + 1):
        fit.step(done / effort.steps)
        told = f"{len(fit.scene):,} Gaussians" + (f", best {best_score:.2f} dB" if judges else "")
        report(Step("optimize", done, effort.steps, told))
        if judges is None or done % every:
            continue
        now = fit.scene.snapshot()
        if (now_score := score(now, judges)) > best_score:
            best, best_score, best_at = now, now_score, done
        elif best_at and done - best_at >= PATIENCE * every:
            report(Step("optimize", done, done, f"best {best_score:.2f} dB after {best_at}"))
            break
    if judges is None:
        best, best_at = fit.scene.snapshot(), fit.done
    size = photos.cameras.width, photos.cameras.height
    return Optimized(best, best_at, fit.done, len(photos), *size, before, None if judges is None else best_score)
