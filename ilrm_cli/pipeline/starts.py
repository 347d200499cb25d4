"""Where a fit begins, and the photo that a trial can best do without."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64
from numpy import ndarray
from scipy.spatial import cKDTree
from torch import Tensor
from torch.nn.functional import grid_sample

from ilrm_cli.capture.poses.overlap import gap_deg
from ilrm_cli.geometry.backdrop import BEYOND
from ilrm_cli.geometry.cameras import Cameras, directions_through, pixel_centers
from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.geometry.views import PosedPhoto, Views, ViewSource
from ilrm_cli.pipeline.predict import Prediction
from ilrm_cli.pipeline.prepare import Prepared

# Exponent of the support that multiplies opacities. 2 beats 1 by 0.6 dB on an orbit and 0.3 dB on a still life, and
# loses 0.1 dB in a room, where what no other view sees is often right.
DOUBT = 2

FOOTPRINT_PX = 2.0  # standard deviation in px of the photo: with 3, refined orbit 0.3 dB worse, fox 0.2 dB better

OPACITY = 0.5  # free to become solid or to vanish; 3DGS begins at 0.1 and has 30,000 iterations to raise it

NEAREST_POINTS = 3  # whose mean distance is a sparse point's scale (3DGS, Kerbl et al. 2023, section 5.1)
MIN_POINTS = 50  # in view; below, nothing begins at them alone
ALL_SHOWN = 0.99  # of a mask around a point: what is masked is white, and must not colour it

LEAST_TO_LEAVE_ONE_OUT = 3  # photos: two views remain to predict from

Predict = Callable[[Prepared], Prediction]  # what the model, or a baseline, makes of a scene

# Share of the predicted Gaussians with which a fit to all photos begins; it splits them where that is needed. What is
# seen by few photos is explained more simply by few. Against a tenth, which takes half as much time again, photos that
# had no part in it gained 0.7 dB on fountain, 0.4 on apple, 0.2 on castle, and between -0.1 and 0.2 on six other
# scenes; SSIM changed by -0.01 to 0.01.
START_SHARE, LEAST_START = 0.03, 1500  # the latter a number of Gaussians, for small pictures


def refine_start(gaussians: Gaussians, support: Float[Tensor, " gaussian"], inputs: Views) -> Gaussians:
    """Return the prediction with Gaussians made fainter the less support they have, plus the inputs' sparse points.

    A surface at a wrong depth explains the photo that it was predicted from, so the fit keeps it and it occludes every
    other view. If made faint, it lets gradients reach what lies behind, and has to earn its opacity. Everything is in
    the frame of the inputs; `support` is in (0, 1], see `pipeline.predict`.
    """
    doubted = replace(gaussians, opacities=gaussians.opacities * support**DOUBT)
    return Gaussians.concatenated(doubted, point_splats(inputs))


@torch.no_grad()
def point_splats(inputs: Views) -> Gaussians:
    """Return round Gaussians at the points of `Views.sparse_depth`, in their pixel's colour; none if it is None."""
    cameras = inputs.cameras
    known = torch.zeros_like(inputs.images[:, 0]) if inputs.sparse_depth is None else inputs.sparse_depth
    view, row, column = known.nonzero().unbind(-1)
    depth = known[view, row, column]  # [N]
    pixels = pixel_centers(cameras.width, cameras.height, cameras.focal_px).expand(len(cameras), -1, -1, -1)
    directions = directions_through(cameras, pixels)[view, row, column]
    scales = FOOTPRINT_PX * depth / cameras.focal_px[view].mean(1)
    means = cameras.positions[view] + depth[:, None] * directions
    return Gaussians.isotropic(means, scales, inputs.images[view, :, row, column], OPACITY)


def start_of(predicted: Prediction, inputs: Views) -> Gaussians:
    """Return where a fit begins; see `refine_start`."""
    known = predicted.support
    return predicted.gaussians if known is None else refine_start(predicted.gaussians, known, inputs)


def best_covered(cameras: Cameras, distance: float, among: Sequence[int]) -> int:
    """Return which of the cameras `among` them is nearest to two others, as photos in between would be.

    It sees what others see. The last one by name, at the end of an orbit, found next to nothing to gain where held-out
    photos gained up to 3 dB. `distance` is that of the scene.
    """
    poses = cameras.world_from_cam
    gaps = torch.stack([gap_deg(poses, pose[None], distance) for pose in poses]).fill_diagonal_(math.inf)
    return among[int(gaps[list(among)].topk(2, largest=False).values.sum(dim=1).argmin())]


def without(prepared: Prepared, left_out: int) -> Prepared:
    """Return the scene with one input as its only target, in the same frame."""
    return replace(prepared, inputs=_but(prepared.inputs, left_out), targets=prepared.inputs[[left_out]])


def _but(views: Views, left_out: int) -> Views:
    return views[[i for i in range(len(views)) if i != left_out]]


def sparse_start(predicted: Prediction, prepared: Prepared, seed: int, further: Sequence[Prediction] = ()) -> Gaussians:
    """Return where a fit to all photos begins: a share of the prediction, larger by as much, and the sparse points.

    Those that remain are chosen at random; the backdrop, and predictions without support, stay whole. Predictions of
    `further` groups of photos, in the same frame, share the number with it.
    """
    known = predicted.support
    if known is None:
        return predicted.gaussians
    near = predicted.gaussians.means.norm(dim=1) < horizon(prepared)
    share = min(1.0, max(START_SHARE, LEAST_START / max(1, int(near.sum())))) / (1 + len(further))
    generator = torch.Generator().manual_seed(seed)

    def thinned(scene: Gaussians, near: Bool[Tensor, " gaussian"]) -> tuple[Gaussians, Bool[Tensor, " gaussian"]]:
        chosen = torch.rand(len(scene), generator=generator).to(near.device) < share
        kept = chosen | ~near
        scales = torch.where(near[:, None], scene.scales / math.sqrt(share), scene.scales)
        return replace(scene, scales=scales)[kept], kept

    start, kept = thinned(predicted.gaussians, near)
    scenes, supports = [start], [known[kept]]
    for other in further:
        assert other.support is not None, "as the first has"
        scene, kept = thinned(other.gaussians, torch.ones_like(other.support, dtype=torch.bool))
        scenes.append(scene)
        supports.append(other.support[kept])
    return refine_start(Gaussians.concatenated(*scenes), torch.cat(supports), prepared.inputs)


def points_start(
    predicted: Prediction, prepared: Prepared, photos: ViewSource, fitted: Sequence[PosedPhoto]
) -> Gaussians | None:
    """Return the sparse points of the fitted photos before the prediction's backdrop; None if they are too few.

    `photos` are the fitted ones, in the frame of the inputs.
    """
    known = [photo.points for photo in fitted if photo.points is not None]
    if not known:
        return None
    points = np.unique(np.concatenate(known), axis=0)
    points = prepared.normalized_from_world.points(torch.from_numpy(points)).numpy()
    start = sparse_points_splat(points, photos)
    far = predicted.gaussians.means.norm(dim=1) >= horizon(prepared)
    return None if start is None else Gaussians.concatenated(start, predicted.gaussians[far])


@torch.no_grad()
def sparse_points_splat(points: Float64[ndarray, "point 3"], photos: ViewSource) -> Gaussians | None:
    """Return round Gaussians at the sparse points (normalised) in view, the initialisation of 3D Gaussian splatting.

    Colour: mean over the photos whose image contains the point. Scale: root mean square distance to the 3 nearest
    points. None if fewer than MIN_POINTS are in view.
    """
    means = torch.from_numpy(points).to(photos.cameras.focal_px)
    colors, seen = _colors_at(means, photos)
    means, colors = means[seen], colors[seen]
    if len(means) < MIN_POINTS:
        return None
    place = means.double().cpu().numpy()
    distance = cKDTree(place).query(place, NEAREST_POINTS + 1)[0][:, 1:]  # [N, 3], without the point itself
    scale = torch.from_numpy(np.sqrt((distance**2).mean(1))).to(means).clamp_min(1e-6)
    return Gaussians.isotropic(means, scale, colors, OPACITY)


def _colors_at(
    points: Float[Tensor, "point 3"], photos: ViewSource
) -> tuple[Float[Tensor, "point 3"], Bool[Tensor, " point"]]:
    """Return each point's mean colour over the photos whose image contains it, and whether any does.

    Masked pixels tell nothing.
    """
    total, count = torch.zeros_like(points), torch.zeros_like(points[:, 0])
    for index in range(len(photos)):
        view = photos[[index]]
        seen = view.cameras.project(points)
        uv = 2 * seen.pixels[0] / torch.tensor([seen.width, seen.height]).to(seen.pixels) - 1  # [P, 2]
        sampled = grid_sample(view.images, uv[None, None], align_corners=False)[0, :, 0].T  # [P, 3]
        shown = seen.inside[0].to(points)
        if view.masks is not None:
            shown *= grid_sample(view.masks[None], uv[None, None], align_corners=False)[0, 0, 0] > ALL_SHOWN
        total += sampled * shown[:, None]
        count += shown
    return total / count.clamp_min(1)[:, None], count > 0


def horizon(prepared: Prepared) -> float:
    """Return the distance from the origin beyond which there is the backdrop alone, in normalised units."""
    return BEYOND / 2 * prepared.depth_range[1]
