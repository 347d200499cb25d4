"""LPIPS (Zhang et al. 2018, VGG), if its package and weights are on this machine. Nothing is ever downloaded."""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

VGG_WEIGHTS = "vgg16-397923af.pth"  # torchvision's file name, in the checkpoints folder of torch.hub

Lpips = Callable[[Float[Tensor, "view 3 height width"], Float[Tensor, "view 3 height width"]], Float[Tensor, " view"]]


def why_no_lpips() -> str | None:
    """Return what is missing, in a few words; None if LPIPS can be computed here."""
    if find_spec("lpips") is None:
        return "the package lpips is not installed: pip install 'ilrm[lpips]'"
    if not Path(torch.hub.get_dir(), "checkpoints", VGG_WEIGHTS).is_file():
        return f"the VGG weights {VGG_WEIGHTS} are not in {torch.hub.get_dir()}/checkpoints"
    return None


def load_lpips(device: torch.device | str) -> Lpips:
    """Load the metric for images in [0, 1]: one number per view, lower is better. Check `why_no_lpips` first."""
    assert why_no_lpips() is None, "LPIPS is not available here"
    import lpips

    network = lpips.LPIPS(net="vgg", verbose=False).to(device).eval()

    @torch.no_grad()
    def distance(images: Tensor, targets: Tensor) -> Tensor:
        return network(2 * images.clamp(0, 1) - 1, 2 * targets.clamp(0, 1) - 1).flatten()

    return distance
