"""Results of an evaluation: methods tried on scenes, scored on held-out views."""

import statistics
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from ilrm_cli.evaluate import surface_scores
from ilrm_cli.evaluate.surface_scores import GeometryScore, TrueSurface
from ilrm_cli.geometry.fields import PlacedField
from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.geometry.meshes import Mesh
from ilrm_cli.geometry.views import Views
from ilrm_cli.models.checkpoint import LoadedModel
from ilrm_cli.pipeline.settings import Settings
from ilrm_cli.render.metrics import Measure, evened_psnr, psnr, renders, score_views, ssim
from ilrm_cli.render.perceptual import Lpips
from ilrm_cli.render.volume import draw
from ilrm_cli.runtime.memory import peak_memory_gb

OURS = "ilrm"
MEAN_COLOR, NEAREST_PHOTO = "mean colour", "nearest photo"
PLANE_SWEEP, CONSTANT_DEPTH, SPARSE_POINTS = "plane-sweep splat", "constant depth", "sparse points"
FROM_POINTS = "{quality} from sparse points"  # the fit of that quality without a prediction
STARTS = (CONSTANT_DEPTH, PLANE_SWEEP, SPARSE_POINTS)  # starts of the refined baselines


@dataclass(frozen=True)
class Evaluation:
    """A prepared evaluation: the model is loaded, no scene has been read."""

    loaded: LoadedModel
    asked: tuple[Settings, ...]  # whole reconstructions, of the protocol every-eighth; none otherwise
    device: torch.device
    renderer: str
    lpips: Lpips | None
    lpips_missing: str | None  # why LPIPS is not available


@dataclass(frozen=True)
class ViewScore:
    """The scores of one target."""

    view: str
    psnr: float  # dB
    ssim: float
    lpips: float | None  # None if it cannot be computed
    psnr_evened: float | None = None  # dB, with exposure evened out, see `evened_psnr`; None: not measured


def mean_of(values: Iterable[float | None]) -> float | None:
    """Return the mean of what was measured; None if nothing was."""
    measured = [value for value in values if value is not None]
    return statistics.fmean(measured) if measured else None


@dataclass(frozen=True)
class Trial:
    """One method on one scene with a number of inputs."""

    method: str  # OURS, a quality of `ilrm reconstruct`, or the name of a baseline
    views: int  # number of inputs; with a quality, of all photos that it is given
    refined: bool  # fitted to the inputs afterwards; the targets decided when to stop, but not with a quality
    scores: tuple[ViewScore, ...]
    seconds: float  # of prediction, plus refinement if refined; with a quality, of everything after the poses
    gaussians: int | None  # None for pictures
    iterations: int | None  # of the best state; None if not fitted
    cpu_seconds: float | None = None  # of the process, over all threads, in those seconds; None: not measured
    geometry: GeometryScore | None = None  # of the surface; None: not measured

    @property
    def psnr(self) -> float:
        return statistics.fmean(score.psnr for score in self.scores)

    @property
    def ssim(self) -> float:
        return statistics.fmean(score.ssim for score in self.scores)

    @property
    def lpips(self) -> float | None:
        return mean_of(score.lpips for score in self.scores)

    @property
    def psnr_evened(self) -> float | None:
        return mean_of(score.psnr_evened for score in self.scores)


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
    inputs: tuple[tuple[str, ...], ...]  # names, one set per number of inputs; or all photos that are no targets
    targets: tuple[str, ...]
    trials: tuple[Trial, ...]
    seconds: float  # in total
    peak_memory_gb: float  # 10⁹ bytes: of the GPU in this scene, or of this process so far
    warnings: tuple[str, ...]
    shown: Shown = field(repr=False)

    @property
    def photos(self) -> int:
        """The number of inputs, in the largest set, and targets."""
        return len(self.inputs[-1]) + len(self.targets)

    def trial(self, method: str, views: int, refined: bool) -> Trial | None:
        return next((t for t in self.trials if (t.method, t.views, t.refined) == (method, views, refined)), None)


@dataclass(frozen=True)
class SceneFailure:
    """A scene that could not be evaluated."""

    name: str
    reason: str  # one sentence


def label_of(method: str, refined: bool) -> str:
    """Return the name of a method in tables."""
    return f"{method}, refined" if refined else method


class Judge:
    """A scorer for pictures of one scene's targets."""

    def __init__(self, targets: Views, names: tuple[str, ...], lpips: Lpips | None, surface: TrueSurface | None = None):
        self.targets, self.names, self._surface = targets, names, surface
        distance: tuple[Measure, ...] = (lambda picture, photo, _: lpips(picture, photo),) if lpips else ()
        self.measures: tuple[Measure, ...] = (psnr, ssim, evened_psnr, *distance)

    def pictures(self, scene: Gaussians | PlacedField, background: Tensor | None = None) -> Iterator[Tensor]:
        """Yield a render from each target's camera, [1, 3, H, W]."""
        return renders(scene, self.targets.cameras, background=background)

    def scores(self, pictures: Iterable[Tensor]) -> tuple[ViewScore, ...]:
        quality, structure, evened, *distance = (
            v.tolist() for v in score_views(pictures, self.targets, *self.measures)
        )
        distances = distance[0] if distance else [None] * len(self.names)
        return tuple(map(ViewScore, self.names, quality, structure, distances, evened))

    def geometry(self, gaussians: Gaussians) -> GeometryScore | None:
        """Compare the surface of a scene with the true one, if that is known and was asked for."""
        return None if self._surface is None else surface_scores.score(gaussians, self._surface)

    def geometry_of_mesh(self, mesh: Mesh) -> GeometryScore | None:
        """Compare a mesh with the true surface, but for its depth in the targets."""
        if self._surface is None:
            return None
        return surface_scores.compared_mesh(mesh, self._surface)

    def shown(self, scene: Gaussians | PlacedField, scores: tuple[ViewScore, ...]) -> Shown:
        """Return the worst, the middle and the best target."""
        order = sorted(range(len(scores)), key=lambda i: scores[i].psnr)
        picked = sorted({order[0], order[len(order) // 2], order[-1]}, key=order.index)
        with torch.no_grad():
            ours = draw(scene, self.targets.cameras[picked]).color.clamp(0, 1)
        return Shown(tuple(scores[i].view for i in picked), self.targets.images[picked].cpu(), ours.cpu())


class SceneWatch:
    """Time and memory of a scene, from the creation of this on."""

    def __init__(self, device: torch.device):
        self._device, self._began = device, time.perf_counter()
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self._began

    @property
    def peak_memory_gb(self) -> float:
        """As in `SceneResult`."""
        on_gpu = self._device.type == "cuda"
        return torch.cuda.max_memory_allocated(self._device) / 1e9 if on_gpu else peak_memory_gb()


def wait(device: torch.device) -> None:
    """Wait for the GPU, so that timings include its work."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
