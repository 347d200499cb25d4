"""Photos of morphable heads on white, with the exact place of each pixel and what noise makes of it."""

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import avg_pool2d

from ilrm_cli.data.synthetic.heads.config import SHAPES, PositionNoise
from ilrm_cli.data.synthetic.heads.shape import MorphableHead
from ilrm_cli.data.synthetic.trajectories import look_at
from ilrm_cli.geometry.cameras import Cameras, unprojected
from ilrm_cli.geometry.frames import ORBIT_RADIUS
from ilrm_cli.geometry.views import Priors, Views
from ilrm_cli.render.mesh_pictures import mesh_picture

FOV_DEG = 44.0  # of the cameras: a unit sphere at their distance just fits
# Of the cameras, seen from the head: a rig before the face, 93 degrees wide and 32 high (NeRSemble, Kirschstein et al.
# 2023, arXiv 2305.03027).
AZIMUTH_DEG, ELEVATION_DEG = (-46.5, 46.5), (-16.0, 16.0)
OVERSAMPLED = 2  # side of the cells of rays that become one pixel: outlines are blended with white
NEAREST = 0.1  # radii of the head
ACTIVE = 0.5  # share of the blendshapes that an expression uses, on average
STRENGTH = (0.5, 1.0)  # of each of them: people before such a rig pose their expressions
DOUBTFUL = 4.0  # standard deviations of a pixel's error at which its confidence has fallen to 1/e


@dataclass(frozen=True)
class HeadViews:
    """Views of one head around the origin, each with an expression of its own."""

    views: Views  # on white; `empty` where nothing is seen
    positions: Float[Tensor, "view height width 3"]  # exact, at pixel centres; 0 where nothing is seen
    coverage: Float[Tensor, "view height width"]  # share of each pixel that shows the head; 0 if its centre does not
    codes: Float[Tensor, "view shape"]


def drawn_code(rng: np.random.Generator) -> Float[Tensor, " shape"]:
    """Draw an expression: about half of the blendshapes, each at least half as strong as it can be."""
    active = rng.random(len(SHAPES)) < ACTIVE
    return torch.from_numpy(active * rng.uniform(*STRENGTH, len(SHAPES))).float()


def cameras_before(rng: np.random.Generator, count: int, width: int, height: int) -> Cameras:
    """Return cameras before a face, anywhere within the angles, that look at the head's middle."""
    azimuth, elevation = (np.radians(rng.uniform(*ends, count)) for ends in (AZIMUTH_DEG, ELEVATION_DEG))
    flat = ORBIT_RADIUS * np.cos(elevation)
    places = np.stack([flat * np.sin(azimuth), flat * np.cos(azimuth), ORBIT_RADIUS * np.sin(elevation)], axis=-1)
    poses = torch.from_numpy(look_at(places, np.zeros((count, 3)), np.zeros(count))).float()
    focal = 0.5 * max(width, height) / math.tan(math.radians(FOV_DEG) / 2)
    center = torch.tensor([width / 2, height / 2]).repeat(count, 1)
    return Cameras(poses, torch.full((count, 2), focal), center, width, height)


def photographed(head: MorphableHead, cameras: Cameras, codes: Float[Tensor, "view shape"]) -> HeadViews:
    """Photograph a head, in each camera with its expression."""
    fine = cameras.resized(OVERSAMPLED * cameras.width, OVERSAMPLED * cameras.height)
    images, depths, coverage = [], [], []
    distinct, of_view = torch.unique(codes, dim=0, return_inverse=True)
    meshes = [head.shown(code) for code in distinct]
    for view, number in enumerate(of_view.tolist()):
        blended, exact = (mesh_picture(meshes[number], some[[view]], NEAREST) for some in (fine, cameras))
        share = avg_pool2d(blended.depth.isfinite().float()[None], OVERSAMPLED)[0]
        images.append(avg_pool2d(blended.color[None], OVERSAMPLED)[0])
        depths.append(exact.depth)
        coverage.append(torch.where(exact.depth.isfinite(), share, 0.0))
    positions, shares = unprojected(torch.stack(depths), cameras), torch.stack(coverage)
    views = Views(torch.stack(images), cameras, empty=(shares == 0).float())
    return HeadViews(views, positions, shares, codes)


def priors_of(
    made: HeadViews, wanted: Float[Tensor, " shape"], noise: PositionNoise, rng: np.random.Generator
) -> Priors:
    """Return what a point-map network would tell of the photos, and the wanted expression.

    Confidence falls with the error at a pixel, and is the share of the pixel that shows the head.
    """
    of_pixel = noise.of_pixel * torch.from_numpy(rng.standard_normal(made.positions.shape)).float()
    of_view = noise.of_view * torch.from_numpy(rng.standard_normal((len(made.views), 1, 1, 3))).float()
    off = of_pixel.norm(dim=-1) / max(DOUBTFUL * noise.of_pixel, 1e-9)
    seen = made.coverage > 0
    positions = torch.where(seen[..., None], made.positions + of_pixel + of_view, 0.0)
    return Priors(positions, made.coverage * torch.exp(-off.square()), wanted)


def with_priors(
    made: HeadViews, wanted: Float[Tensor, " shape"], noise: PositionNoise, rng: np.random.Generator
) -> Views:
    """Return the views with what a model of heads is told besides; they are white where nothing is seen."""
    return replace(made.views, empty=None, priors=priors_of(made, wanted, noise, rng))
