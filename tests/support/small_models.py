"""Small models and views for the tests of this folder."""

import dataclasses

import torch

from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.geometry.views import Views
from ilrm_cli.models.ilrm.config import PRESETS, IlrmConfig
from ilrm_cli.models.ilrm.model import Ilrm
from ilrm_cli.models.layers.config import MatchingConfig, PyramidConfig
from ilrm_cli.train.config import DEFAULT_MODEL

MATCHED = dataclasses.replace(
    DEFAULT_MODEL,
    width=32,
    head_width=16,
    patch=4,
    head=dataclasses.replace(DEFAULT_MODEL.head, depth="matched"),
    matching=MatchingConfig(planes=8),
    pyramid=None,
)
# The U-Net between grid and tokens, a volume of depths, and feedback before each layer.
PYRAMID = dataclasses.replace(
    MATCHED,
    patch=4,
    head=dataclasses.replace(MATCHED.head, depth="volume"),
    pyramid=PyramidConfig(widths=(8, 12), feedback=True),
)


def published(name: str) -> IlrmConfig:
    """Return the published configuration, narrow and shallow."""
    return dataclasses.replace(PRESETS[name].config, layers=2, width=32, head_width=16)


def random_model(config: IlrmConfig, seed: int = 0) -> Ilrm:
    """Return a model with random weights, the head's included, so that every output depends on every input."""
    torch.manual_seed(seed)
    model = Ilrm(config).eval()
    torch.nn.init.normal_(model.head.linear.weight, std=0.1)
    return model


def random_views(count: int = 3, width: int = 48, height: int = 32, seed: int = 0) -> Views:
    """Return noise photos by cameras side by side that look ahead."""
    generator = torch.Generator().manual_seed(seed)
    pose = torch.eye(4).repeat(count, 1, 1)
    pose[:, :3, 3] = torch.rand(count, 3, generator=generator) - 0.5
    focal = torch.full((count, 2), 40.0) + torch.rand(count, 2, generator=generator)
    center = torch.tensor([width / 2, height / 2]).expand(count, 2)
    return Views(torch.rand(count, 3, height, width, generator=generator), Cameras(pose, focal, center, width, height))
