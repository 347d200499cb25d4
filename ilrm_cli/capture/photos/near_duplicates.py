"""Sharpness of pictures, and how alike two of them are.

A picture's signature is a grey copy of 64 x 64 cells, minus its mean and divided by its norm, so that brightness and
contrast do not matter. The distance of two signatures is sqrt(2 - 2 c), c their correlation, from 0 to 2. Measured on
40 captures: copies saved again in another size or quality 0.01 to 0.14; neighbouring photos of typical captures 0.2 to
1.4; a shift by half a percent of the width 0.05 to 0.24.
"""

import numpy as np
from jaxtyping import Float32, Int64, UInt8
from numpy import ndarray
from PIL import Image

CELLS = 64  # along each side of a signature
FLAT = 1.0  # standard deviation in grey levels below which a picture has practically no contrast
SAME_PICTURE = 0.03  # distance below which no camera motion is visible: the picture is the same
NEAR_DUPLICATE = 0.12  # distance below which the camera has hardly moved
BLOCK = 512  # signatures compared with all others at a time


def sharpness_of(grey: UInt8[ndarray, "height width"]) -> float:
    """Return the variance of the Laplacian, comparable only between pictures of one size and similar content.

    Pech-Pacheco et al., Diatom autofocusing in brightfield microscopy, ICPR 2000.
    """
    values = grey.astype(np.float32)
    inner = values[1:-1, 1:-1]
    around = values[:-2, 1:-1] + values[2:, 1:-1] + values[1:-1, :-2] + values[1:-1, 2:]
    return float((around - 4 * inner).var()) if inner.size else 0.0


def signature_of(grey: UInt8[ndarray, "height width"]) -> Float32[ndarray, " cell"]:
    """Return the signature of a picture, zero for one without contrast; see the module's docstring."""
    cells = Image.fromarray(grey).resize((CELLS, CELLS), Image.Resampling.BOX)
    values = np.asarray(cells, dtype=np.float32).ravel()
    values = values - values.mean()
    norm = float(np.linalg.norm(values))
    return values / norm if norm > FLAT * CELLS else np.zeros_like(values)


def distance(first: Float32[ndarray, " cell"], second: Float32[ndarray, " cell"]) -> float:
    """Return the distance of two signatures, 0 to 2; pictures without contrast count as equal."""
    return float(np.linalg.norm(first - second))


def sharpest_of_each(bins: Int64[ndarray, " picture"], sharpness: Float32[ndarray, " picture"]) -> list[int]:
    """Return the index of the sharpest picture of every bin, in order of the bins; the first of equals."""
    order = np.lexsort((-sharpness, bins))
    _, first = np.unique(bins[order], return_index=True)
    return [int(index) for index in order[first]]


def even_bins(count: int, limit: int) -> Int64[ndarray, " picture"]:
    """Return the bin of each of `count` consecutive pictures, divided into `limit` stretches of equal length."""
    return np.arange(count) * limit // count


def duplicates(
    signatures: Float32[ndarray, "picture cell"], sharpness: Float32[ndarray, " picture"], enough: int
) -> dict[int, int]:
    """Map pictures to leave out to the kept picture that each duplicates.

    The sharpest pictures are kept first, and no two kept ones are closer than NEAR_DUPLICATE. If fewer than `enough`
    remain, the least similar ones are restored until there are `enough`, since a slow video and a camera that hardly
    moves need all they have; pictures closer than SAME_PICTURE to a kept one show nothing new and are never restored.
    """
    near = _near_pairs(signatures)
    kept = np.zeros(len(signatures), dtype=bool)
    rival: dict[int, tuple[float, int]] = {}  # per picture left out: the closest kept one, distance first
    for index in np.argsort(-sharpness, kind="stable").tolist():
        rivals = near[index][kept[near[index]]]
        if len(rivals):
            apart = np.linalg.norm(signatures[rivals] - signatures[index], axis=1)
            rival[index] = (float(apart.min()), int(rivals[apart.argmin()]))
        else:
            kept[index] = True
    for _ in range(int(kept.sum()), enough):
        farthest = max(rival, key=lambda index: (rival[index][0], -index), default=None)
        if farthest is None or rival[farthest][0] < SAME_PICTURE:
            break
        del rival[farthest]
        for index in rival:
            rival[index] = min(rival[index], (distance(signatures[index], signatures[farthest]), farthest))
    return {index: other for index, (_, other) in sorted(rival.items())}


def most_alike(signatures: Float32[ndarray, "picture cell"], each: int) -> set[tuple[int, int]]:
    """Return pairs (first index smaller) of every picture with the `each` pictures most similar to it."""
    pairs = set()
    for start in range(0, len(signatures), BLOCK):
        likeness = signatures[start : start + BLOCK] @ signatures.T
        for index, row in enumerate(likeness, start):
            row[index] = -np.inf
            others = np.argsort(-row, kind="stable")[: min(each, len(signatures) - 1)].tolist()
            pairs |= {(min(index, other), max(index, other)) for other in others}
    return pairs


def _near_pairs(signatures: Float32[ndarray, "picture cell"]) -> list[Int64[ndarray, " near"]]:
    """Return, for every picture, those closer than NEAR_DUPLICATE, ascending, including itself."""
    near = []
    squares = (signatures**2).sum(1)
    for start in range(0, len(signatures), BLOCK):
        some = slice(start, start + BLOCK)
        squared = squares[some, None] + squares - 2 * signatures[some] @ signatures.T
        near += [np.flatnonzero(row < NEAR_DUPLICATE**2) for row in squared]
    return near
