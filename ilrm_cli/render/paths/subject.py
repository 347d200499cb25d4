"""The subject of a set of cameras: point of interest, up direction, depth of the scene."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.geometry.frames import up_direction
from ilrm_cli.geometry.gaussians import Gaussians

# Viewing axes determine their crossing point if they spread at least this much (RMS angle to their mean axis, 15
# degrees); below it pose noise moves the point along the axes, and the scene's depth is more reliable.
MIN_SPREAD_SIN2 = 0.067

# The axes cross if their RMS distance from the point is within this share of the cameras' distance.
MAX_MISS = 0.35

# More Gaussians do not change a median; they are thinned evenly.
MEDIAN_SAMPLES = 50_000


@dataclass(frozen=True)
class Subject:
    """The stage for camera paths, in world units."""

    target: Float[Tensor, "3"]  # the point of interest
    up: Float[Tensor, "3"]  # unit
    depth: float  # median distance of the visible scene along the cameras' axes
    converging: bool  # the cameras see the target from clearly different sides, or it is known otherwise


def subject_of(
    cameras: Cameras,
    gaussians: Gaussians,
    up: Float[Tensor, "3"] | None = None,
    target: Float[Tensor, "3"] | None = None,
) -> Subject:
    """Find the point nearest to all viewing axes if they cross; else the point ahead of them at the scene's depth.

    `up` is unit; None: estimated from the cameras. `target` is the point where it is known.
    """
    up = up_direction(cameras.world_from_cam) if up is None else up
    depth = visible_depth(cameras, gaussians)
    crossing = axes_crossing(cameras) if target is None else target
    if crossing is not None:
        return Subject(crossing, up, depth, converging=True)
    leading = facing_alike(cameras)
    target = leading.positions.mean(0) + depth * torch.nn.functional.normalize(leading.forward.mean(0), dim=0)
    return Subject(target, up, depth, converging=False)


def focus_depths(cameras: Cameras, gaussians: Gaussians, subject: Subject) -> Float[Tensor, " camera"]:
    """Return how far ahead of each camera lies what can be circled: the subject, or else what this camera sees."""
    depths = [visible_depth(cameras[[i]], gaussians) for i in range(len(cameras))]
    seen = torch.tensor(depths).to(cameras.positions)
    if not subject.converging:
        return seen
    ahead = ((subject.target - cameras.positions) * cameras.forward).sum(dim=1)
    return torch.where(ahead > 0, ahead, seen)


def axes_crossing(cameras: Cameras) -> Float[Tensor, "3"] | None:
    """Return the point with the least sum of squared distances to the viewing axes; None if they do not meet in front.

    Solves Σ (I - d dᵀ) p = Σ (I - d dᵀ) o for axes o + t d.
    """
    positions, forward = cameras.positions, cameras.forward
    across = torch.eye(3).to(forward) - forward[:, :, None] * forward[:, None, :]
    mean = across.mean(0)
    if torch.linalg.eigvalsh(mean)[0] < MIN_SPREAD_SIN2:
        return None
    point = torch.linalg.solve(mean, (across @ positions[:, :, None]).mean(0)[:, 0])
    offsets = point - positions
    ahead = (offsets * forward).sum(1)
    misses = (across @ offsets[:, :, None]).norm(dim=1).square().mean().sqrt()
    in_front = (ahead > 0).double().mean() >= 0.9  # one stray camera in ten may look elsewhere
    return point if in_front and misses <= MAX_MISS * offsets.norm(dim=1).median() else None


def facing_alike(cameras: Cameras) -> Cameras:
    """Return the cameras within 60 degrees of the one whose viewing direction agrees best with all others."""
    agreement = cameras.forward @ cameras.forward.T
    leader = int(agreement.sum(1).argmax())
    return cameras[(agreement[leader] > 0.5).nonzero()[:, 0]]


def visible_depth(cameras: Cameras, gaussians: Gaussians, *, share: float = 0.5, window: float = 1.0) -> float:
    """Return the opacity-weighted quantile (default: median) of the depths of Gaussians in the images of all cameras.

    Only the middle of the images counts, `window` of each side. If no Gaussian is inside, return the distance from the
    cameras to the weighted median of all means.
    """
    thinned = gaussians[:: max(1, len(gaussians) // MEDIAN_SAMPLES)]
    means, opacities = thinned.means.to(cameras.positions), thinned.opacities.to(cameras.positions)
    size = torch.tensor([cameras.width, cameras.height]).to(means)
    low, high = (1 - window) / 2 * size, (1 + window) / 2 * size
    depths, weights = [], []
    for view in range(len(cameras)):
        seen = cameras[[view]].project(means)
        inside = (seen.inside & (seen.pixels > low).all(-1) & (seen.pixels < high).all(-1))[0]
        depths.append(seen.depth[0, inside])
        weights.append(opacities[inside])
    if sum(len(d) for d in depths) == 0:
        middle = weighted_quantiles(means, opacities, (0.5,))[0]
        return float((cameras.positions - middle).norm(dim=1).median())
    return float(weighted_quantiles(torch.cat(depths)[:, None], torch.cat(weights), (share,)))


def weighted_quantiles(
    values: Float[Tensor, "sample column"], weights: Float[Tensor, " sample"], shares: tuple[float, ...]
) -> Float[Tensor, "share column"]:
    """Return, per column, the values below which the given shares of the weight lie."""
    order = values.argsort(dim=0)
    cumulated = weights[order].cumsum(0)
    rows = []
    for share in shares:
        first = (cumulated < share * cumulated[-1:]).sum(0, keepdim=True).clamp_max(len(values) - 1)
        rows.append(values.gather(0, order.gather(0, first))[0])
    return torch.stack(rows)
