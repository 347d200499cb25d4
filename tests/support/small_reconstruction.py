"""A small finished reconstruction of photos on disk, made without a model: the photos are pictures of its Gaussians."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from ilrm_cli.geometry.cameras import Cameras, Lens
from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.geometry.transforms import Similarity
from ilrm_cli.geometry.views import Capture, LeftOut, PosedPhoto, TrainingRange, Views
from ilrm_cli.models.checkpoint import ModelIdentity
from ilrm_cli.models.layers.passes import LayerTime
from ilrm_cli.pipeline.fit_photos import PhotoFit
from ilrm_cli.pipeline.optimize.optimized import Optimized
from ilrm_cli.pipeline.predict import Prediction
from ilrm_cli.pipeline.prepare import Prepared
from ilrm_cli.pipeline.prune import Trusted
from ilrm_cli.pipeline.reconstruct import Reconstruction
from ilrm_cli.pipeline.select_inputs import Selection
from ilrm_cli.pipeline.settings import Settings
from ilrm_cli.render.metrics import score_of
from ilrm_cli.render.rasterize import pixels_of, render

WIDTH, HEIGHT = 64, 48
NAMES = ("a2.png", "a10.png", "b.png", 'the "<b>&.png')  # inputs, out of natural order below; the last two held out
NORMAL_FROM_WORLD = Similarity(
    0.5, torch.tensor([[0.0, 0, 1], [1, 0, 0], [0, 1, 0]]).double(), torch.tensor([0.1, 0.2, 0.3]).double()
)


def gaussians(count: int = 300) -> Gaussians:
    """Return a heap of coloured blobs, 3 units ahead of the cameras."""
    random = torch.Generator().manual_seed(0)
    return Gaussians(
        means=torch.randn(count, 3, generator=random) * 0.5 + torch.tensor([0.0, 0.0, 3.0]),
        quaternions=torch.tensor([[1.0, 0, 0, 0]]).expand(count, 4).contiguous(),
        scales=torch.full((count, 3), 0.1),
        opacities=torch.full((count,), 0.9),
        harmonics=torch.rand(count, 1, 3, generator=random) * 3 - 1.5,
    )


def cameras(count: int = 4) -> Cameras:
    """Return cameras in a row, x to the right, all looking along z; y down, so up is -y."""
    poses = torch.eye(4).repeat(count, 1, 1)
    poses[:, 0, 3] = torch.linspace(-0.6, 0.6, count)
    return Cameras(poses, torch.full((count, 2), 60.0), torch.tensor([[WIDTH / 2, HEIGHT / 2]] * count), WIDTH, HEIGHT)


def reconstruction(folder: Path, *, held_out: bool = True, fitted: bool = False) -> Reconstruction:
    """Fill `folder` with photos and reconstruct them: two inputs, two held out, one cut short, one without a file.

    With `fitted` the scene is fitted to the inputs and the first of the held-out photos.
    """
    scene, views = gaussians(), cameras()
    images = render(scene, views).color.clamp(0, 1)
    for name, image in zip(NAMES, images, strict=True):
        Image.fromarray(pixels_of(image)).save(folder / name)
    (folder / "short.jpg").write_bytes(b"\xff\xd8\xff")
    lens = Lens("PINHOLE", (60.0, 60.0, WIDTH / 2, HEIGHT / 2), WIDTH, HEIGHT)
    world = NORMAL_FROM_WORLD.inverse().poses(views.world_from_cam.double()).numpy()
    posed = tuple(PosedPhoto(name, folder / name, lens, pose) for name, pose in zip(NAMES, world, strict=True))
    kept = 2 if held_out else 4
    lost = (LeftOut("short.jpg", "it is cut short"), LeftOut("gone.jpg", "it shares <no> point"))
    aside = tuple(LeftOut(photo.name, "it is held out to score the result") for photo in posed[kept:])
    first = kept + 1 if fitted else kept  # that scores
    targets = Views(images[first:], views[first:])
    fit = (
        PhotoFit(Optimized(scene, scene, 5, 8, ((0, 8),), "steps", 3, WIDTH, HEIGHT, 20.0, 22.0), views[[kept]], None)
        if fitted
        else None
    )
    layers = (LayerTime(3.0, 1.0), LayerTime(1.5, 0.5), LayerTime(1.0, 1.0))
    return Reconstruction(
        settings=Settings(quality="standard" if fitted else "draft"),
        model=ModelIdentity("default", "00ff", TrainingRange((2, 12), (35.0, 95.0))),
        capture=Capture(posed, 6, "colmap", np.zeros((0, 3)), ("a photo is cut short.",), lost, root=folder),
        selection=Selection(
            posed[:kept], posed[first:], posed[first:], (*lost, *aside), posed[:first] if fitted else ()
        ),
        prepared=Prepared(
            Views(images[:kept], views[:kept]), targets if held_out else None, (3.0, 3.0), NORMAL_FROM_WORLD
        ),
        scale=None,
        prediction=Prediction(scene, floating=3, layers=layers),
        refinement=None,
        fit=fit,
        trusted=Trusted(scene),
        score=replace(score_of(scene, targets), psnr=math.inf, ssim=1.0) if held_out else None,
        timings_s={"poses": 1.0, "inference": 2.0, "cross_attention": 0.5, "self_attention": 0.25, "score": 0.001},
        warnings=("a photo is cut short.",),
    )
