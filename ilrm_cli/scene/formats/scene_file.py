"""The content of a file of Gaussians, independent of its format."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.runtime.errors import InputError

MAX_GAUSSIANS = 50_000_000  # of a compressed file: no scene has more, and a damaged header must not exhaust the memory


@dataclass(frozen=True)
class SceneFile:
    """The content of one file, in its order and in the conventions of `Gaussians`."""

    gaussians: Gaussians  # float32, all finite
    comments: tuple[str, ...] = ()  # free text of the header, one line each; few formats keep it
    dropped: int = 0  # Gaussians dropped on reading: non-finite numbers or a zero quaternion
    confidence: Float[Tensor, " gaussian"] | None = None  # in [0, 1], how well views support each; None: unknown

    def __getitem__(self, chosen: Tensor) -> "SceneFile":
        """Return the Gaussians selected by a mask or a list of indices, each with its confidence."""
        confidence = None if self.confidence is None else self.confidence[chosen]
        return SceneFile(self.gaussians[chosen], self.comments, self.dropped, confidence)

    def to(self, device: torch.device | str) -> "SceneFile":
        confidence = None if self.confidence is None else self.confidence.to(device)
        return SceneFile(self.gaussians.to(device), self.comments, self.dropped, confidence)


def ready_to_write(gaussians: Gaussians) -> Gaussians:
    """Return the scene on the CPU and without gradients.

    All numbers must be finite: the caller drops the others with `gaussians.finite()` and reports their number.
    """
    not_finite = int((~gaussians.finite()).sum())
    assert not_finite == 0, f"{not_finite} Gaussians with numbers that are not finite"
    return gaussians.detach().to("cpu")


def from_columns(
    means: Float[ndarray, "gaussian 3"],
    quaternions: Float[ndarray, "gaussian 4"],
    scales: Float[ndarray, "gaussian 3"],
    opacities: Float[ndarray, " gaussian"],
    harmonics: Float[ndarray, "gaussian bases 3"],
) -> Gaussians:
    """Build `Gaussians` from a decoder's columns; quaternions of any length are normalised, zero ones become NaN."""
    lengths = np.linalg.norm(quaternions, axis=1, keepdims=True)
    with np.errstate(invalid="ignore"):
        columns = (means, quaternions / lengths, scales, opacities, harmonics)
    with np.errstate(over="ignore"):
        return Gaussians(*(torch.from_numpy(np.array(column, dtype=np.float32, order="C")) for column in columns))


def usable(
    path: Path, read: Gaussians, comments: tuple[str, ...] = (), confidence: Float[Tensor, " gaussian"] | None = None
) -> SceneFile:
    """Build the file's content, dropping and counting Gaussians with non-finite numbers.

    Raises `InputError` if none is left.
    """
    finite = read.finite()
    dropped = int((~finite).sum())
    if dropped == len(read):
        why = "no Gaussians" if len(read) == 0 else f"{len(read)} Gaussians, none of them with finite numbers"
        raise InputError(f"{path} holds {why}; there is nothing to show.")
    return SceneFile(read[finite], comments, dropped, None if confidence is None else confidence[finite])


def damaged(path: Path, why: str) -> InputError:
    """Return the error for a file that is cut short, damaged or of another kind than its name says."""
    return InputError(f"{path} is not a {path.suffix} scene, or is cut short or damaged ({why}).")
