"""How much of what one photo shows is seen by others, by the sparse points found in them."""

from collections.abc import Iterable

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

# A point is the same in two photos if its coordinates are: they come from one list. This sum, unlike a single
# coordinate, differs between points of one wall.
KEY_WEIGHTS = (1.0, 0.7548776662466927, 0.5698402909980532)


def point_keys(points: Float64[ndarray, "point 3"]) -> Float64[ndarray, " point"]:
    """One number per point, equal for equal coordinates, each once."""
    x, y, z = (weight * column for weight, column in zip(KEY_WEIGHTS, points.T, strict=True))
    return np.unique(x + y + z)


def shared_points(keys: Float64[ndarray, " point"], others: Iterable[Float64[ndarray, " other_point"]]) -> int:
    """How many of a photo's points (by their keys) were found in at least one of the other photos."""
    elsewhere = np.concatenate([np.zeros(0), *others])
    return int(np.isin(keys, elsewhere).sum())
