"""A small head on disk, and a small network that animates it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from ilrm_cli.data.synthetic.heads.config import HeadOrder
from ilrm_cli.data.synthetic.heads.folders import write_heads
from ilrm_cli.models.avat3r.model import Avat3r
from ilrm_cli.train.config import AVATAR
from tests.support.family import drawn

SMALL = replace(AVATAR, width=32, head_width=16, widths=(16,), self_layers=1, cross_layers=1, long_side_px=32)


def small_avatar(**changes: Any) -> Avat3r:
    """Return a network of random weights for photos of 32 px."""
    network = Avat3r(replace(SMALL, **changes))
    drawn(network)
    return network


def small_head(out: Path, **order: Any) -> Path:
    """Write one head with photos of 32 px; return its folder."""
    usual: dict[str, Any] = {"heads": 1, "width": 32, "height": 32}
    return next(write_heads(out, HeadOrder(**usual | order))).folder
