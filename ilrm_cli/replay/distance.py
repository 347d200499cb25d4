"""How far two versions of one scene are apart, in numbers and in pictures."""

from dataclasses import dataclass

import torch

from ilrm_cli.gaussians import Gaussians
from ilrm_cli.io.scene import SceneRecord, cameras_of
from ilrm_cli.metrics import psnr
from ilrm_cli.render.rasterize import NEAR, render


@dataclass(frozen=True)
class Distance:
    """From the recorded scene to the one made again."""

    gaussians: tuple[int, int]  # recorded, made again
    farthest_mean: float | None  # largest distance between two centres of one index, in the scene's units
    psnr: float | None  # dB between the two as the inputs' cameras see them, mean; None: no camera is recorded


@torch.no_grad()
def distance(recorded: Gaussians, again: Gaussians, record: SceneRecord) -> Distance:
    """Both on the CPU, in the frame of the record. `farthest_mean` is None where their numbers differ."""
    cameras = cameras_of(record, "input")
    quality = None
    if cameras is not None:
        background, near = torch.tensor(record.background), NEAR / record.model_from_world.scale
        seen = [
            [
                render(g, cameras[[i]].to(torch.float32), background=background, near=near).color
                for g in (recorded, again)
            ]
            for i in range(len(cameras))
        ]
        quality = float(torch.cat([psnr(before, now) for before, now in seen]).mean())
    same = len(recorded) == len(again)
    apart = float((recorded.means - again.means).norm(dim=1).max()) if same else None
    return Distance((len(recorded), len(again)), apart, quality)
