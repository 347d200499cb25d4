"""What a file of Gaussians holds, whatever its format."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ilrm_cli.gaussians import Gaussians


@dataclass(frozen=True)
class SceneFile:
    """The content of one file, in its order and in the conventions of `Gaussians`."""

    gaussians: Gaussians  # float32, all finite
    comments: tuple[str, ...] = ()  # free text of the header, one line each; few formats keep any
    dropped: int = 0  # Gaussians left out on reading: a number is not finite or the quaternion is zero
    confidence: Float[Tensor, " gaussian"] | None = None  # in [0, 1], how well views support each; None: not known

    def __getitem__(self, chosen: Tensor) -> "SceneFile":
        """The Gaussians that a mask or a list of indices chooses, each with its confidence."""
        confidence = None if self.confidence is None else self.confidence[chosen]
        return SceneFile(self.gaussians[chosen], self.comments, self.dropped, confidence)

    def to(self, device: torch.device | str) -> "SceneFile":
        confidence = None if self.confidence is None else self.confidence.to(device)
        return SceneFile(self.gaussians.to(device), self.comments, self.dropped, confidence)
