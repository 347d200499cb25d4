"""Shared parts of compact formats: Z-order, quaternions in three numbers, rotations by 180°, scenes in parts."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray

from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.geometry.harmonics import basis
from ilrm_cli.geometry.transforms import multiply

HIGHER_BASES = (0, 3, 8, 15, 24)  # harmonics above degree 0 per channel, by degree; the last is read and cut
LEAST_SCALE = 1e-30  # world units, far below what any file keeps: log(0) is undefined
MORTON_BITS = 21  # per axis: three times this fits into 63 bits

# Rotations by 180° about x and about z: factors of the coordinates, and the quaternion (w first).
TURNS = {"x": ((1.0, -1.0, -1.0), (0.0, 1.0, 0.0, 0.0)), "z": ((-1.0, -1.0, 1.0), (0.0, 0.0, 0.0, 1.0))}
SOMEWHERE = (0.48, 0.6, 0.64)  # a unit direction in which no harmonic is 0


def turned(gaussians: Gaussians, about: Literal["x", "z"]) -> Gaussians:
    """Rotate the scene by 180° about an axis: only signs change, so doing it twice is an exact identity.

    Every spherical harmonic is even or odd in each coordinate, so evaluating one direction gives its sign.
    """
    axes, turn = (torch.tensor(values) for values in TURNS[about])
    signs = basis(torch.tensor(SOMEWHERE) * axes, gaussians.sh_degree) / basis(
        torch.tensor(SOMEWHERE), gaussians.sh_degree
    )
    return replace(
        gaussians,
        means=gaussians.means * axes,
        quaternions=multiply(turn.expand_as(gaussians.quaternions), gaussians.quaternions),
        harmonics=gaussians.harmonics * signs.sign()[:, None],
    )


def mirrored(gaussians: Gaussians, signs: tuple[float, float, float]) -> Gaussians:
    """Return the scene with these factors, each 1 or -1, on its coordinates, also where that makes a mirror image.

    Conjugating a rotation with such a matrix is a rotation, whose quaternion has only other signs; scales stay.
    """
    axes = torch.tensor(signs)
    harmonic_signs = basis(torch.tensor(SOMEWHERE) * axes, gaussians.sh_degree) / basis(
        torch.tensor(SOMEWHERE), gaussians.sh_degree
    )
    return replace(
        gaussians,
        means=gaussians.means * axes,
        quaternions=gaussians.quaternions * torch.cat([torch.ones(1), axes.prod() * axes]),
        harmonics=gaussians.harmonics * harmonic_signs.sign()[:, None],
    )


def joined(scenes: Sequence[Gaussians]) -> Gaussians:
    """Concatenate scenes that may have harmonics of several degrees: missing ones are 0."""
    bases = max(scene.harmonics.shape[1] for scene in scenes)

    def padded(scene: Gaussians) -> Gaussians:
        count, there, _ = scene.harmonics.shape
        padding = scene.harmonics.new_zeros(count, bases - there, 3)
        return replace(scene, harmonics=torch.cat([scene.harmonics, padding], 1))

    return Gaussians.concatenated(*map(padded, scenes))


def along_a_curve(gaussians: Gaussians) -> Gaussians:
    """Reorder the scene by `morton_order`."""
    return gaussians[torch.from_numpy(morton_order(gaussians.means.numpy()))]


def morton_order(means: Float[ndarray, "gaussian 3"]) -> Int[ndarray, " gaussian"]:
    """Return indices along a Z-order curve through the scene's box: neighbours in space are close in the file."""
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
    """Return the index of each quaternion's largest component, and the other three after making it positive.

    The three are in the order of the input and within ±sqrt(1/2).
    """
    largest = np.abs(quaternions).argmax(1)
    signs = np.where(np.take_along_axis(quaternions, largest[:, None], 1) < 0, -1.0, 1.0)
    others = np.arange(4)[None] != largest[:, None]
    return largest, (quaternions * signs)[others].reshape(-1, 3)


def with_largest(
    largest: Int[ndarray, " gaussian"], rest: Float[ndarray, "gaussian 3"]
) -> Float[ndarray, "gaussian 4"]:
    """Restore unit quaternions from the parts given by `without_largest`."""
    quaternions = np.empty((len(rest), 4))
    others = np.arange(4)[None] != largest[:, None]
    quaternions[others] = rest.reshape(-1)
    quaternions[~others] = np.sqrt(np.clip(1 - np.square(rest).sum(1), 0, None))
    return quaternions / np.linalg.norm(quaternions, axis=1, keepdims=True)
