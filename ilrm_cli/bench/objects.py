"""What models show of objects that they never saw: PSNR of held-out views, to compare those trained for equal times.

The objects are those of `ilrm train --data objects`, of the seed that training refuses.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from ilrm_cli.bench.figures import table
from ilrm_cli.data.synthetic.alone import object_views
from ilrm_cli.data.synthetic.dataset import HOLDOUT_SEED
from ilrm_cli.geometry.frames import ORBIT_RADIUS, frame_of_model
from ilrm_cli.geometry.transforms import Similarity
from ilrm_cli.models.base import Capabilities, Network
from ilrm_cli.pipeline.prepare import normalized_views
from ilrm_cli.render.metrics import psnr, score
from ilrm_cli.runtime.progress import Report, Step, ignore

OBJECTS, VIEWS, HELD_OUT = 16, 4, 4  # scored, inputs of each, and views between them
LARGEST_PX = 64  # sides of photos for which a model is trained: objects are ray-cast at this size, at most


@dataclass(frozen=True)
class Shown:
    """What a model shows of unseen objects."""

    psnr: float  # dB, mean over objects
    plain: float  # dB, of white or of the nearest input, whichever is better, likewise

    def as_json(self) -> dict[str, float]:
        return {"psnr": self.psnr, "plain": self.plain}


def is_shown_objects(can: Capabilities) -> bool:
    """Return whether a model is one that objects can be shown to: small, of as many posed photos, of no priors."""
    fits = can.min_views <= VIEWS <= can.max_views and can.long_side_px <= LARGEST_PX
    return fits and can.output == "gaussians" and can.needs_poses and not can.needs_priors


@torch.no_grad()
def shown_objects(model: Network, report: Report = ignore) -> Shown:
    """Let a model predict unseen objects, and score it."""
    can, found = model.capabilities, []
    side = can.long_side_px // can.size_multiple * can.size_multiple
    for number in range(OBJECTS):
        views = object_views(HOLDOUT_SEED, number, VIEWS + HELD_OUT, side, side).views
        given = np.linspace(0, len(views), VIEWS, endpoint=False).astype(int)
        held = np.setdiff1d(np.arange(len(views)), given)
        poses = views.cameras.world_from_cam[given].double()
        to_normal = Similarity.identity() if can.frame == "centred" else frame_of_model(poses, can.frame)
        near, far = ((ORBIT_RADIUS + sign) * to_normal.scale for sign in (-1, 1))
        inputs, targets = (normalized_views(views[chosen.tolist()], to_normal) for chosen in (given, held))
        made = model([inputs], [(near, far)])[0]
        apart = torch.cdist(targets.cameras.positions, inputs.cameras.positions).argmin(1)
        plain = (torch.ones_like(targets.images), inputs.images[apart])
        found.append((score(made, targets), max(float(psnr(one, targets.images).mean()) for one in plain)))
        report(Step("unseen objects", number + 1, OBJECTS))
    ours, others = zip(*found, strict=True)
    return Shown(math.fsum(ours) / OBJECTS, math.fsum(others) / OBJECTS)


def shown_table(found: Mapping[str, Shown], gflop: Sequence[float]) -> str:
    """Return a table in Markdown."""
    rows = [
        (name, f"{one.psnr:.1f}", f"{one.psnr - one.plain:+.1f}", f"{flops:.2f}")
        for (name, one), flops in zip(found.items(), gflop, strict=True)
    ]
    return table(("model", "PSNR, dB", "above white or the nearest photo", "GFLOP of a pass"), rows)
