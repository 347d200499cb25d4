"""Results of an evaluation: methods tried on scenes, scored on held-out views."""

import statistics
from dataclasses import dataclass, field

from jaxtyping import Float
from torch import Tensor

OURS = "ours"
MEAN_COLOR, NEAREST_PHOTO = "mean colour", "nearest photo"
PLANE_SWEEP, CONSTANT_DEPTH, SPARSE_POINTS = "plane-sweep splat", "constant depth", "sparse points"
STARTS = (CONSTANT_DEPTH, PLANE_SWEEP, SPARSE_POINTS)  # starts of the refined baselines


@dataclass(frozen=True)
class ViewScore:
    """The scores of one target."""

    view: str
    psnr: float  # dB
    ssim: float
    lpips: float | None  # None if it cannot be computed


@dataclass(frozen=True)
class Trial:
    """One method on one scene with a number of inputs."""

    method: str  # OURS or the name of a baseline
    views: int  # number of inputs
    refined: bool  # fitted to the inputs afterwards; the targets decided when to stop
    scores: tuple[ViewScore, ...]
    seconds: float  # of prediction, plus refinement if refined
    gaussians: int | None  # None for pictures
    iterations: int | None  # of the best state; None if not refined

    @property
    def psnr(self) -> float:
        return statistics.fmean(score.psnr for score in self.scores)

    @property
    def ssim(self) -> float:
        return statistics.fmean(score.ssim for score in self.scores)

    @property
    def lpips(self) -> float | None:
        values = [score.lpips for score in self.scores if score.lpips is not None]
        return statistics.fmean(values) if values else None


@dataclass(frozen=True)
class Shown:
    """Targets beside our renders of them, for viewing."""

    names: tuple[str, ...]
    truth: Float[Tensor, "target 3 height width"]
    ours: Float[Tensor, "target 3 height width"]


@dataclass(frozen=True)
class SceneResult:
    """All measurements on one scene."""

    name: str
    width: int
    height: int
    inputs: tuple[tuple[str, ...], ...]  # names, one set per number of inputs
    targets: tuple[str, ...]
    trials: tuple[Trial, ...]
    seconds: float  # in total
    peak_memory_gb: float  # 10⁹ bytes: of the GPU in this scene, or of this process so far
    warnings: tuple[str, ...]
    shown: Shown = field(repr=False)

    def trial(self, method: str, views: int, refined: bool) -> Trial | None:
        return next((t for t in self.trials if (t.method, t.views, t.refined) == (method, views, refined)), None)


@dataclass(frozen=True)
class SceneFailure:
    """A scene that could not be evaluated."""

    name: str
    reason: str  # one sentence
