"""What several compact formats share: an order of neighbours, quaternions in three numbers, axes turned by 180°."""

from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray

from ilrm_cli.gaussians import Gaussians
from ilrm_cli.similarity import Similarity

MORTON_BITS = 21  # per axis: what fits three times into 63 bits

# The matrices of 180° turns about x and about z.
TURNS = {"x": (1.0, -1.0, -1.0), "z": (-1.0, -1.0, 1.0)}


def turned(gaussians: Gaussians, about: Literal["x", "z"]) -> Gaussians:
    """The scene turned by 180° about an axis, harmonics included: there and back again alike."""
    rotation = torch.diag(torch.tensor(TURNS[about], dtype=torch.float64))
    return gaussians.transformed(Similarity(1.0, rotation, torch.zeros(3, dtype=torch.float64)))


def along_a_curve(gaussians: Gaussians) -> Gaussians:
    """The same scene in the order of `morton_order`."""
    return gaussians[torch.from_numpy(morton_order(gaussians.means.numpy()))]


def morton_order(means: Float[ndarray, "gaussian 3"]) -> Int[ndarray, " gaussian"]:
    """Indices along a Z-order curve through the scene's box: neighbours in space become neighbours in the file."""
    low, high = means.min(0), means.max(0)
    side = float((high - low).max()) or 1.0
    cells = ((means - low) / side * (2**MORTON_BITS - 1)).astype(np.uint64)
    codes = np.zeros(len(means), dtype=np.uint64)
    for bit in range(MORTON_BITS):
        for axis in range(3):
            codes |= ((cells[:, axis] >> np.uint64(bit)) & np.uint64(1)) << np.uint64(3 * bit + axis)
    return np.argsort(codes, kind="stable")


def without_largest(
    quaternions: Float[ndarray, "gaussian 4"],
) -> tuple[Int[ndarray, " gaussian"], Float[ndarray, "gaussian 3"]]:
    """The index of each quaternion's largest component, and the other three after it was made positive.

    The three are in the order of the input and within ±sqrt(1/2).
    """
    largest = np.abs(quaternions).argmax(1)
    signs = np.where(np.take_along_axis(quaternions, largest[:, None], 1) < 0, -1.0, 1.0)
    others = np.arange(4)[None] != largest[:, None]
    return largest, (quaternions * signs)[others].reshape(-1, 3)


def with_largest(
    largest: Int[ndarray, " gaussian"], rest: Float[ndarray, "gaussian 3"]
) -> Float[ndarray, "gaussian 4"]:
    """The unit quaternions of which `without_largest` gave these parts."""
    quaternions = np.empty((len(rest), 4))
    others = np.arange(4)[None] != largest[:, None]
    quaternions[others] = rest.reshape(-1)
    quaternions[~others] = np.sqrt(np.clip(1 - np.square(rest).sum(1), 0, None))
    return quaternions / np.linalg.norm(quaternions, axis=1, keepdims=True)
