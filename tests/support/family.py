"""Small models of the family, its reference tensors, and what every backbone of it promises."""

import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.geometry.views import Views
from ilrm_cli.models.base import Network, Pass
from ilrm_cli.models.checkpoint import encode_model
from tests.support.small_models import random_views

RAYS = 2 * 2 * 9  # operations per pixel that make rays, once for tokens and once for Gaussians: not in the contract
TOLERANCE = 1e-5  # of the largest absolute value of the reference tensor


def reference(shared: Path, pair: str) -> tuple[dict[str, Tensor], dict]:
    """Return the arrays of a pair of `parity/family`, and its configuration."""
    arrays = dict(np.load(shared / "parity" / "family" / f"{pair}_io.npz"))
    config = json.loads(str(arrays.pop("config")))
    return {name: torch.from_numpy(np.asarray(array)) for name, array in arrays.items()}, config


def assert_near(ours: Tensor, theirs: Tensor, name: str = "", tolerance: float = TOLERANCE) -> None:
    assert ours.shape == theirs.shape, name
    error = float((ours - theirs).abs().max() / theirs.abs().max())
    assert error <= tolerance, f"{name}: {error:.1e}"


def on_meta(count: int, height: int, width: int) -> Views:
    """Return views without numbers, to count the operations of a pass."""
    views = random_views(count, 8, 8)
    images = torch.empty(count, 3, height, width, device="meta")
    return Views(images, dataclasses.replace(views.cameras.to("meta"), width=width, height=height))


def counted_flops(network: Network, views: Views) -> int:
    """Return the operations that PyTorch counts in a pass, but for its rays."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network([views], [(1.0, 10.0)])
    return counter.get_total_flops() - RAYS * len(views) * views.cameras.height * views.cameras.width


def flops_told(network: Network, views: Views) -> float:
    """Return the operations that the contract tells."""
    return network.cost(Pass(len(views), views.cameras.height, views.cameras.width)).flops


def drawn(network: Network, seed: int = 0) -> Network:
    """Return the network, ready, with random matrices and kernels, so that outputs depend on every input."""
    generator = torch.Generator().manual_seed(seed)
    for tensor in network.parameters():
        if tensor.ndim >= 2:
            torch.nn.init.normal_(tensor, std=0.1, generator=generator)
    return network.eval()


def saved(network: Network, folder: Path, name: str = "tiny") -> Path:
    """Write the network in our format; return its file."""
    weights, config = encode_model(network)
    (folder / f"{name}.safetensors").write_bytes(weights)
    (folder / f"{name}.json").write_bytes(config)
    return folder / f"{name}.safetensors"


def cameras_of(poses: Tensor, focal_px: Tensor, center_px: Tensor, images: Tensor) -> Cameras:
    return Cameras(poses, focal_px, center_px, images.shape[-1], images.shape[-2])


@torch.no_grad()
def assert_equivariant(network: Network, views: Views, equivariant: bool = True) -> None:
    """Assert that a permutation of the views permutes their Gaussians, or that it does more than that."""
    order = [1, 0, *range(2, len(views))]
    ranges = [(1.0, 10.0)]
    plain, turned = network([views], ranges)[0], network([views[order]], ranges)[0]
    means = plain.means[: turned.means.shape[0]].unflatten(0, (len(views), -1))[order]
    change = float((means - turned.means.unflatten(0, (len(views), -1))).abs().max())
    assert change < 1e-4 if equivariant else 1e-2 < change < math.inf, change
