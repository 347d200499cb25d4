"""Preview pictures of a training run."""

import io
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from numpy import ndarray
from PIL import Image

from ilrm_cli.models.ilrm.model import Ilrm
from ilrm_cli.pipeline.backdrop import before_backdrop
from ilrm_cli.render.rasterize import render
from ilrm_cli.runtime.files import atomic_write
from ilrm_cli.train.samples import Sample

PREVIEW_FILE = "preview.png"
GAP_PX = 2  # white, between pictures


@torch.no_grad()
def preview(model: Ilrm, sample: Sample) -> UInt8[ndarray, "height width 3"]:
    """Render one row per target: ground truth | ours."""
    gaussians = model([sample.inputs], [sample.depth_range])[0]
    if model.config.backdrop:
        gaussians = before_backdrop(gaussians, sample.inputs, sample.depth_range)
    ours = render(gaussians, sample.targets.cameras).color
    pairs = torch.nn.functional.pad(torch.stack([sample.targets.images, ours], dim=1), (0, GAP_PX, 0, GAP_PX), value=1)
    rows = pairs.permute(0, 3, 1, 4, 2).flatten(2, 3).flatten(0, 1)  # [T*H, 2*W, 3]
    return (rows.clamp(0, 1) * 255).round().byte().cpu().numpy()


def write_preview(model: Ilrm, sample: Sample, folder: Path) -> None:
    """Write the preview into the run's folder, replacing the previous one."""
    encoded = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(preview(model, sample))).save(encoded, format="PNG")
    atomic_write(folder / PREVIEW_FILE, encoded.getvalue())
