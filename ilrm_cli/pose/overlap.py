"""Overlap of photos, by the sparse points found in them."""

from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import Float64, Int64
from numpy import ndarray
from scipy.sparse import csr_matrix

# Points in two photos are the same if their coordinates are equal: they come from one list. This sum, unlike a single
# coordinate, differs between points of one wall.
KEY_WEIGHTS = (1.0, 0.7548776662466927, 0.5698402909980532)


def point_keys(points: Float64[ndarray, "point 3"]) -> Float64[ndarray, " key"]:
    """Return one number per distinct point, equal for equal coordinates."""
    x, y, z = (weight * column for weight, column in zip(KEY_WEIGHTS, points.T, strict=True))
    return np.unique(x + y + z)


def shared_points(keys: Float64[ndarray, " key"], others: Iterable[Float64[ndarray, " _"]]) -> int:
    """Count a photo's points (by their keys) that were found in at least one other photo."""
    elsewhere = np.concatenate([np.zeros(0), *others])
    return int(np.isin(keys, elsewhere).sum())


def overlap_matrix(found: Sequence[Float64[ndarray, "_ 3"]]) -> Int64[ndarray, "photo photo"]:
    """Return the number of points that each two photos share, from the points found in each; 0 on the diagonal."""
    keys = [point_keys(points) for points in found]
    photo = np.repeat(np.arange(len(keys)), [len(own) for own in keys])
    distinct, point = np.unique(np.concatenate([np.zeros(0), *keys]), return_inverse=True)
    seen = csr_matrix((np.ones(len(photo), dtype=np.int64), (photo, point)), (len(keys), len(distinct)))
    shared = (seen @ seen.T).toarray()
    np.fill_diagonal(shared, 0)
    return shared
