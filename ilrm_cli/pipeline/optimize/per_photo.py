"""What a photo has of its own beside the scene: exposure and white balance, which cameras choose anew for each photo.

A scene that has to explain them grows fog. A gain and an offset for each channel of each photo are learned with the
scene, as in NeRF in the Wild (Martin-Brualla et al. 2021) and most trainers since, with mean zero over the photos
(gains as logarithms), so that the scene keeps the photos' mean.
"""

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from ilrm_cli.pipeline.optimize.parameters import BETA_1, BETA_2, EPS

RATE = 3e-2  # of log-gains and of offsets: a photo is seen a few dozen times

MIDDLE = 0.5  # the grey whose change tells an exposure

# Standard deviation over photos, in stops, below which exposures are taken to be equal. It came to 0.10 on apple and
# 0.05 on room, where six more numbers a photo cost 0.1 to 0.3 dB on photos not seen. With apple's exposures spread by
# 0.37 stops it came to 0.36, and held-out photos gained 3.0 of 3.6 dB that the spread had cost.
EVEN_STOPS = 0.12


class PhotoNumbers:
    """Numbers of each photo that are learned with the scene, and Adam's memory of them, of one photo a step."""

    def __init__(self, photos: int, first: Float[Tensor, "*numbers"], rates: Float[Tensor, "*numbers"] | float):
        """Begin every photo at its `first` numbers, with these first step sizes."""
        self._begin, self._rates = first, rates
        self.numbers = first.repeat(photos, *[1] * first.dim())
        self._first, self._second = torch.zeros_like(self.numbers), torch.zeros_like(self.numbers)
        self._seen = [0] * photos

    @torch.no_grad()
    def step(self, photo: int, gradient: Float[Tensor, "*numbers"], share: float, *, centred: bool = True) -> None:
        """Take one step of Adam (Kingma and Ba 2015) for one photo, with this share of the step sizes.

        If they are `centred`, the mean over the photos stays zero; else each photo changes alone.
        """
        self._seen[photo] += 1
        first, second = self._first[photo], self._second[photo]
        first.mul_(BETA_1).add_(gradient, alpha=1 - BETA_1)
        second.mul_(BETA_2).addcmul_(gradient, gradient, value=1 - BETA_2)
        mean, square = first / (1 - BETA_1 ** self._seen[photo]), second / (1 - BETA_2 ** self._seen[photo])
        self.numbers[photo] -= share * self._rates * mean / (square.sqrt() + EPS)
        if centred:
            self.numbers -= self.numbers.mean(0)

    def state(self) -> dict[str, Any]:
        """Return all that changes, as tensors and numbers."""
        return {"numbers": self.numbers, "first": self._first, "second": self._second, "seen": list(self._seen)}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go back to a state."""
        self.numbers, self._first, self._second = state["numbers"], state["first"], state["second"]
        self._seen = list(state["seen"])

    def join(self, photos: int) -> None:
        """Add so many photos, at their first numbers."""
        more = PhotoNumbers(photos, self._begin, self._rates)
        for name in ("numbers", "_first", "_second"):
            setattr(self, name, torch.cat([getattr(self, name), getattr(more, name)]))
        self._seen += more._seen


class PhotoColors(PhotoNumbers):
    """The gain and the offset of each channel of each photo: logarithms of gains, then offsets."""

    def __init__(self, photos: int, device: torch.device):
        super().__init__(photos, torch.zeros(2, 3, device=device), RATE)

    @property
    def spread_stops(self) -> float:
        """How much exposures differ: the standard deviation over photos of what they make of a grey, in stops."""
        shown = self.numbers[:, 0].exp() + self.numbers[:, 1] / MIDDLE
        return float(shown.mean(1).clamp_min(EPS).log2().std(correction=0))

    def of(self, photo: int) -> Float[Tensor, "2 3"]:
        """Return a photo's numbers as a leaf that takes a gradient."""
        return self.numbers[photo].clone().requires_grad_()


def exposed(
    image: Float[Tensor, "1 3 height width"], numbers: Float[Tensor, "2 3"]
) -> Float[Tensor, "1 3 height width"]:
    """Return an image as the photo with these numbers shows it."""
    return image * numbers[0].exp()[:, None, None] + numbers[1][:, None, None]
