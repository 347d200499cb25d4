"""Perceptual distances, where their weights lie on this machine; nothing is ever downloaded.

LPIPS is Zhang et al. 2018 with VGG, by its own package. The VGG distance is their equation 1 without learned channel
weights: features of VGG-16 after the last ReLU of each of its five resolutions, scaled to unit length over channels,
squared difference, mean over pixels, sum over resolutions.
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

STAGES = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))  # channels of the convolutions
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's images, which the weights expect
MIN_LENGTH = 1e-10  # avoids division by zero for all-zero features


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


class VggDistance(nn.Module):
    """The convolutions of VGG-16 (Simonyan and Zisserman 2015), and the distance between two sets of images."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        self.ends: list[int] = []  # layers whose outputs are compared
        channels = 3
        for stage in STAGES:
            for wider in stage:
                layers += [nn.Conv2d(channels, wider, 3, padding=1), nn.ReLU()]
                channels = wider
            self.ends.append(len(layers) - 1)
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers[:-1])  # torchvision's numbering
        self.requires_grad_(False)

    def forward(
        self, images: Float[Tensor, "view 3 height width"], truth: Float[Tensor, "view 3 height width"]
    ) -> Float[Tensor, ""]:
        """Return the mean distance over the views; images in [0, 1], sides at least 16 px."""
        mean, std = (torch.tensor(numbers).to(images)[:, None, None] for numbers in (MEAN, STD))
        x = (torch.cat([images.clamp(0, 1), truth]) - mean) / std
        total = images.new_zeros(())
        for number, layer in enumerate(self.features):
            x = layer(x)
            if number in self.ends:
                unit = x / x.norm(dim=1, keepdim=True).clamp_min(MIN_LENGTH)
                ours, wanted = unit.chunk(2)
                total = total + (ours - wanted).square().sum(1).mean()
        return total


def find_perceptual(device: torch.device | str, folder: Path | None = None) -> VggDistance | None:
    """Load the distance with the weights in `folder` (default: torch's hub cache); return None if they are missing.

    Raises InputError if the file is damaged.
    """
    file = (folder or Path(torch.hub.get_dir()) / "checkpoints") / VGG_WEIGHTS
    if not file.is_file():
        return None
    distance = VggDistance()
    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
        distance.load_state_dict({name: t for name, t in state.items() if name.startswith("features.")})
    except Exception as error:  # torch raises a different type for every kind of damage
        raise InputError(f"{file}: not the weights of VGG-16; remove it or get it again.") from error
    return distance.to(device)
