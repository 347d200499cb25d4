"""Perceptual distances, where their package and weights lie on this machine; nothing is ever downloaded.

LPIPS is Zhang et al. 2018 with VGG. The VGG distance is their equation 1 without learned channel weights: features of
VGG-16 after the last ReLU of each of its five resolutions, scaled to unit length over channels, squared difference,
mean over pixels, sum over resolutions.
"""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ilrm_cli.runtime.errors import InputError

VGG_WEIGHTS = "vgg16-397923af.pth"  # torchvision's file name, in the checkpoints folder of torch.hub

Lpips = Callable[[Float[Tensor, "view 3 height width"], Float[Tensor, "view 3 height width"]], Float[Tensor, " view"]]


def vgg_file() -> Path:
    """Return where torchvision keeps the weights of VGG-16."""
    return Path(torch.hub.get_dir(), "checkpoints", VGG_WEIGHTS)


def why_no_lpips() -> str | None:
    """Return what is missing, in a few words; None if LPIPS can be computed here."""
    if find_spec("lpips") is None:
        return "the package lpips is not installed: pip install 'ilrm[lpips]'"
    if not vgg_file().is_file():
        return f"the VGG weights {VGG_WEIGHTS} are not in {torch.hub.get_dir()}/checkpoints"
    return None


def lpips_network(*, lpips: bool = True) -> nn.Module:
    """Load the package's network, with its learned channel weights or without. Check `why_no_lpips` first.

    Raises InputError if the package cannot be imported.
    """
    assert why_no_lpips() is None, "LPIPS is not available here"
    try:
        from lpips import LPIPS
    except (ImportError, RuntimeError, OSError) as error:  # a torchvision that was built for another torch
        raise InputError(
            f"the package lpips cannot be imported ({error}); install the torchvision that belongs to this torch."
        ) from error
    return LPIPS(net="vgg", lpips=lpips, verbose=False).eval()


def load_lpips(device: torch.device | str) -> Lpips:
    """Load the metric for images in [0, 1]: one number per view, lower is better. Check `why_no_lpips` first."""
    network = lpips_network().to(device)

    @torch.no_grad()
    def distance(images: Tensor, targets: Tensor) -> Tensor:
        return network(images.clamp(0, 1), targets.clamp(0, 1), normalize=True).flatten()

    return distance


class VggDistance(nn.Module):
    """The distance between two sets of images."""

    def __init__(self) -> None:
        super().__init__()
        self.network = lpips_network(lpips=False)

    def forward(
        self, images: Float[Tensor, "view 3 height width"], truth: Float[Tensor, "view 3 height width"]
    ) -> Float[Tensor, ""]:
        """Return the mean distance over the views; images in [0, 1], sides at least 16 px."""
        return self.network(images.clamp(0, 1), truth, normalize=True).mean()


def find_perceptual(device: torch.device | str) -> VggDistance | None:
    """Load the distance; return None if it is not available, see `why_no_lpips`.

    Raises InputError if package or weights are damaged.
    """
    if why_no_lpips() is not None:
        return None
    try:
        return VggDistance().to(device)
    except InputError:
        raise
    except Exception as error:  # torch raises a different type for every kind of damage
        raise InputError(f"{vgg_file()}: not the weights of VGG-16; remove it or get it again.") from error
