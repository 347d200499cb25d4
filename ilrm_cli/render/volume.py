"""Volume rendering of radiance fields, under the contract of `rasterize.render` (Mildenhall et al. 2020).

    alpha_i = 1 - exp(-sigma_i delta_i),  w_i = alpha_i prod_(j < i) (1 - alpha_j),  C = sum w_i c_i + (1 - sum w_i) C_b

Samples lie one in each part of the ray (stratified), then where these found something (importance), see `Marching`.
Drawing jitters nothing unless random numbers are given, so that the same field gives the same picture.
"""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import avg_pool1d, max_pool1d

from ilrm_cli.geometry.cameras import Cameras, unit_rays
from ilrm_cli.geometry.fields import Field, Marching, PlacedField, Rays
from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.render.rasterize import NEAR, Rendering, render
from ilrm_cli.runtime.progress import Report, Step, ignore

MOST_POINTS = 1 << 17  # evaluated at a time: some 100 MB in the networks of the family
LEAST_WEIGHT = 1e-5  # added to each weight that samples are drawn by, so that no place is out of reach
LEAST_SMOOTHED = 1e-2  # the same where the weights are smoothed first
MIDDLE = 0.5  # of a part of the ray, or of all random numbers
FEW = 1e-6  # alpha below which a pixel has no depth


@dataclass(frozen=True)
class Draws:
    """Random numbers in the place of their means: uniform in [0, 1), or standard normal."""

    jitter: Float[Tensor, "ray sample"] | None = None  # of the first samples in their parts
    quantile: Float[Tensor, "ray importance"] | None = None  # of the weights, of further samples
    inside: Float[Tensor, "ray importance"] | None = None  # the part of the ray that was chosen; per sample only
    normal: Float[Tensor, "ray around"] | None = None  # around the depth

    def __getitem__(self, index: slice) -> "Draws":
        parts = (self.jitter, self.quantile, self.inside, self.normal)
        return Draws(*(None if part is None else part[index] for part in parts))


@dataclass(frozen=True)
class Composited:
    """What was gathered along rays."""

    distances: Float[Tensor, "ray sample"]  # sorted
    weights: Float[Tensor, "ray part"]  # of samples, or of the intervals between them
    color: Float[Tensor, "ray 3"]  # not yet over the background
    depth: Float[Tensor, " ray"]  # sum of weighted distances, not divided by the sum of weights

    @property
    def alpha(self) -> Float[Tensor, " ray"]:
        return self.weights.sum(-1)


def render_field(
    field: Field,
    cameras: Cameras,
    *,
    background: Float[Tensor, "3"] | None = None,
    draws: Draws | None = None,
    report: Report = ignore,
) -> Rendering:
    """Draw a field in every camera, a bounded number of points at a time.

    Differentiable with respect to what the field is made of. `background`: RGB, the field's own if None. `draws` are
    for all rays in (camera, row, column) order.
    """
    background = field.background if background is None else background
    origins, directions = (rays.flatten(0, 2) for rays in unit_rays(cameras))
    rays = Rays(origins, directions)
    at_once = max(1, MOST_POINTS // field.marching.total)
    parts = []
    for start in range(0, len(rays), at_once):
        report(Step("volume", start, len(rays), "rays"))
        part = slice(start, start + at_once)
        parts.append(_pixels(field, rays[part], background, draws[part] if draws else Draws()))
    report(Step("volume", len(rays), len(rays), "rays"))
    color, alpha, distance = (torch.cat(values) for values in zip(*parts, strict=True))
    shape = (len(cameras), cameras.height, cameras.width)
    along = (directions.unflatten(0, shape) * cameras.forward[:, None, None]).sum(-1)
    return Rendering(color.unflatten(0, shape).movedim(-1, 1), alpha.view(shape), distance.view(shape) * along)


def draw(
    scene: Gaussians | PlacedField,
    cameras: Cameras,
    *,
    background: Float[Tensor, "3"] | None = None,
    near: float = NEAR,
) -> Rendering:
    """Render a scene of either kind in every camera, as `render` does; `near` is for Gaussians."""
    if isinstance(scene, Gaussians):
        return render(scene, cameras, background=background, near=near)
    like = scene.field.background
    moved = cameras.moved(scene.field_from_world.poses(cameras.world_from_cam.double())).to(torch.float32)
    shown = render_field(
        scene.field, moved.to(like.device), background=None if background is None else background.to(like)
    )
    return replace(shown, depth=shown.depth / scene.field_from_world.scale)


def _pixels(field: Field, rays: Rays, background: Tensor, draws: Draws) -> tuple[Tensor, Tensor, Tensor]:
    """Return colour, alpha and expected distance of each ray."""
    found = march(field, rays, draws)
    alpha = found.alpha
    color = found.color + (1 - alpha[:, None]) * background
    seen = alpha > FEW
    return color, alpha, torch.where(seen, found.depth / alpha.clamp_min(FEW), torch.zeros_like(alpha))


def march(field: Field, rays: Rays, draws: Draws = Draws()) -> Composited:
    """Gather light along rays as the field says."""
    how, span = field.marching, field.span(rays)
    distances = stratified(span.near, span.far, how, draws.jitter)
    first = _sampled(field, rays, distances)
    found = _composited(field, distances, span.near, span.far, *first, met=span.met)
    if how.total == how.samples:
        return found
    further = further_samples(found, span.near, span.far, how, draws)
    together, order = torch.cat([distances, further], dim=-1).sort(dim=-1)
    if how.refined:
        return gathered(field, rays, together, refined=True)
    raw, color = (torch.cat(pair, dim=1) for pair in zip(first, _sampled(field, rays, further), strict=True))
    values = raw.gather(1, order), color.gather(1, order[..., None].expand(-1, -1, 3))
    return _composited(field, together, span.near, span.far, *values, met=span.met)


def gathered(field: Field, rays: Rays, distances: Float[Tensor, "ray sample"], refined: bool = False) -> Composited:
    """Gather light at these distances."""
    span = field.span(rays)
    values = _sampled(field, rays, distances, refined)
    return _composited(field, distances, span.near, span.far, *values, met=span.met)


def stratified(
    near: Float[Tensor, " ray"], far: Float[Tensor, " ray"], how: Marching, jitter: Float[Tensor, "ray sample"] | None
) -> Float[Tensor, "ray sample"]:
    """Return distances near + (far - near) (i + u) / n; without jitter what they stand for reaches from near to far.

    u is 0 then, as a sample stands for the part behind it, or 1/2 where all stand for the same length. With densities
    per interval the ends of n - 1 parts are sampled.
    """
    parts = how.samples if how.per == "sample" else how.samples - 1
    usual = MIDDLE if how.step == "unit" else 0.0
    places = torch.arange(how.samples, device=near.device, dtype=near.dtype) + (usual if jitter is None else jitter)
    return near[:, None] + (far - near)[:, None] * (places / parts)


def further_samples(
    found: Composited, near: Float[Tensor, " ray"], far: Float[Tensor, " ray"], how: Marching, draws: Draws
) -> Float[Tensor, "ray further"]:
    """Return distances where the first samples weigh most, and around the depth that they tell, without gradients."""
    weights = found.weights.detach()
    quantile = _quantiles(how.importance, weights) if draws.quantile is None else draws.quantile
    if how.per == "sample":
        chosen = by_parts(weights, quantile, draws.inside, near, far)
    else:
        chosen = between_midpoints(found.distances.detach(), weights, quantile)
    if not how.around_depth:
        return chosen
    normal = _normal_quantiles(how.around_depth, weights) if draws.normal is None else draws.normal
    around = found.depth.detach()[:, None] + how.depth_deviation * normal
    return torch.cat([chosen, around.clamp(near[:, None], far[:, None])], dim=-1)


def by_parts(
    weights: Float[Tensor, "ray sample"],
    quantile: Float[Tensor, "ray importance"],
    inside: Float[Tensor, "ray importance"] | None,
    near: Float[Tensor, " ray"],
    far: Float[Tensor, " ray"],
) -> Float[Tensor, "ray importance"]:
    """Choose equal parts of the ray by their weight, then a place uniformly inside (pixelNeRF)."""
    cdf = _cumulated(weights + LEAST_WEIGHT)
    part = torch.searchsorted(cdf, quantile.contiguous(), right=True) - 1
    part = part.clamp(0, weights.shape[-1] - 1)
    place = (part + (MIDDLE if inside is None else inside)) / weights.shape[-1]
    return near[:, None] * (1 - place) + far[:, None] * place


def between_midpoints(
    distances: Float[Tensor, "ray sample"],
    weights: Float[Tensor, "ray interval"],
    quantile: Float[Tensor, "ray importance"],
) -> Float[Tensor, "ray importance"]:
    """Invert the cumulated weights of inner intervals, smoothed, between the middles of intervals (Mip-NeRF, EG3D)."""
    wide = max_pool1d(weights[:, None], 2, 1, padding=1)
    smooth = avg_pool1d(wide, 2, 1)[:, 0] + LEAST_SMOOTHED
    edges = (distances[:, 1:] + distances[:, :-1]) / 2
    cdf = _cumulated(smooth[:, 1:-1] + LEAST_WEIGHT)  # as many as edges but the last
    above = torch.searchsorted(cdf, quantile.contiguous(), right=True).clamp(max=cdf.shape[-1] - 1)
    below = (above - 1).clamp_min(0)
    low, high = cdf.gather(1, below), cdf.gather(1, above)
    width = torch.where(high - low < LEAST_WEIGHT, 1, high - low)
    start, end = edges.gather(1, below), edges.gather(1, above)
    return start + (quantile - low) / width * (end - start)


def weights_of(density: Float[Tensor, "ray part"], lengths: Float[Tensor, "ray part"]) -> Float[Tensor, "ray part"]:
    """Return w_i = alpha_i prod_(j < i) (1 - alpha_j): what each part of a ray adds to its pixel."""
    passed = torch.exp(-torch.cumsum(density * lengths, dim=-1))  # transmittance behind each part
    before = torch.cat([torch.ones_like(passed[:, :1]), passed[:, :-1]], dim=-1)
    return before * -torch.expm1(-density * lengths)


def _sampled(
    field: Field, rays: Rays, distances: Float[Tensor, "ray sample"], refined: bool = False
) -> tuple[Float[Tensor, "ray sample"], Float[Tensor, "ray sample 3"]]:
    points = rays.points(distances)
    directions = rays.directions[:, None].expand_as(points)
    raw, color = field.sampled(points.flatten(0, 1), directions.flatten(0, 1), refined)
    return raw.view(distances.shape), color.view(points.shape)


def _composited(
    field: Field,
    distances: Float[Tensor, "ray sample"],
    near: Float[Tensor, " ray"],
    far: Float[Tensor, " ray"],
    raw: Float[Tensor, "ray sample"],
    color: Float[Tensor, "ray sample 3"],
    met: Tensor,
) -> Composited:
    how = field.marching
    if how.per == "interval":
        raw, color, places = ((values[:, 1:] + values[:, :-1]) / 2 for values in (raw, color, distances))
        lengths = distances.diff(dim=-1)
    elif how.step == "unit":  # the same for all samples, whatever the length of the ray in the box
        places, lengths = distances, torch.full_like(distances, 1 / distances.shape[-1])
    else:
        places, lengths = distances, torch.cat([distances, far[:, None]], dim=-1).diff(dim=-1)
    weights = weights_of(field.density(raw), lengths) * met[:, None]
    return Composited(distances, weights, (weights[..., None] * color).sum(1), (weights * places).sum(1))


def _cumulated(weights: Float[Tensor, "ray part"]) -> Float[Tensor, "ray edge"]:
    """Return the cumulated distribution that the weights stand for, from 0 to 1."""
    cdf = torch.cumsum(weights / weights.sum(-1, keepdim=True), dim=-1)
    return torch.cat([torch.zeros_like(cdf[:, :1]), cdf], dim=-1)


def _quantiles(count: int, like: Float[Tensor, "ray part"]) -> Float[Tensor, "ray count"]:
    """Return evenly spread numbers in (0, 1) for each ray, in the place of random ones."""
    places = (torch.arange(count, device=like.device, dtype=like.dtype) + MIDDLE) / count
    return places.expand(len(like), count)


def _normal_quantiles(count: int, like: Float[Tensor, "ray part"]) -> Float[Tensor, "ray count"]:
    return torch.special.ndtri(_quantiles(count, like))
