"""What the readers of other tools' poses share: sizes of photos, numbers, rotations, and damage in one sentence."""

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float64
from numpy import ndarray
from numpy.typing import ArrayLike

from ilrm_cli.capture.poses.pose_set import LARGEST, LEAST_QUATERNION, rigid
from ilrm_cli.geometry.cameras import Lens
from ilrm_cli.geometry.transforms import matrix_from_quaternion
from ilrm_cli.runtime.errors import Damage, InputError, clause

# Measures photos by the names that the tool gives them: (width, height) in px as stored, of those that are there and
# whole.
SizesOf = Callable[[Sequence[str]], Mapping[str, tuple[int, int]]]
LensesOf = Callable[[Sequence[str]], Mapping[str, Lens]]  # likewise, of photos as stored


@contextmanager
def damage_named(file: Path) -> Iterator[None]:
    """Turn what reading a damaged file raises into InputError that names it."""
    try:
        yield
    except InputError:
        raise
    except (LookupError, ValueError, TypeError, AttributeError, ArithmeticError, RecursionError, csv.Error) as error:
        why = clause(error, "what should be there is missing, or is no number")
        raise InputError(
            f"the poses in {file} are damaged or of a form that is not known ({why}); export it again, or add "
            "--poses sfm."
        ) from error
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror}.") from error


def numbers(values: ArrayLike, *shape: int) -> Float64[ndarray, "..."]:
    """Return the values of a file as an array of this shape. Raises Damage if one is none that a camera can have."""
    array = np.array(values, dtype=np.float64).reshape(shape)
    if not (np.abs(array) < LARGEST).all():
        raise Damage("a number in it is not finite or absurdly large")
    return array


def rotation_of(quaternion: Float64[ndarray, "4"]) -> Float64[ndarray, "3 3"]:
    """Return the rotation of a quaternion (x, y, z, w)."""
    if not LEAST_QUATERNION < np.linalg.norm(quaternion) < np.inf:
        raise Damage("a quaternion has no direction")
    return matrix_from_quaternion(torch.from_numpy(np.roll(quaternion, 1))).numpy()


def pose_of(matrix: ndarray, where: str) -> Float64[ndarray, "4 4"]:
    """Return the rigid pose of a 3x4 or 4x4 matrix. Raises InputError if it is none."""
    pose = rigid(np.asarray(matrix, dtype=np.float64))
    if pose is None:
        raise InputError(f"{where} has no rotation and position; export the file again.")
    return pose
