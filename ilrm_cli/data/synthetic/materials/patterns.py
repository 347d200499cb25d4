"""Patterns as lists of stamps: rounded rectangles that `textures.paint` draws onto a periodic tile in order.

A stamp is a row of ten numbers: centre x and y, half width, half height (texels), angle (radians), roundness 0..1, the
values of the three mixing channels, opacity.
"""

import math

import numpy as np

SIZE = 256  # texels along a side of a tile
STAMP = 10  # numbers per stamp


def _stamps(rng: np.random.Generator, count: int) -> np.ndarray:
    """Return opaque stamps at random positions with random colours."""
    stamps = np.zeros((count, STAMP), np.float32)
    stamps[:, :2] = rng.uniform(0, SIZE, (count, 2))
    stamps[:, 6:9] = rng.random((count, 3)) ** rng.uniform(0.5, 2)
    stamps[:, 9] = 1
    return stamps


def _leaves(rng: np.random.Generator) -> np.ndarray:
    """Return dead leaves (Lee, Mumford, Huang 2001): power-law sizes, later leaves occlude earlier ones."""
    stamps = _stamps(rng, int(rng.integers(250, 900)))
    smallest = rng.uniform(2, 5)
    stamps[:, 2] = np.minimum(smallest / np.sqrt(rng.uniform(0.002, 1, len(stamps))), 60)
    stamps[:, 3] = stamps[:, 2] * rng.uniform(0.25, 1, len(stamps))
    stamps[:, 4] = rng.uniform(0, math.pi, len(stamps))
    stamps[:, 5] = rng.integers(0, 2) if rng.random() < 0.5 else rng.random(len(stamps))
    return stamps


def _straw(rng: np.random.Generator) -> np.ndarray:
    stamps = _stamps(rng, int(rng.integers(1500, 3000)))
    stamps[:, 2] = rng.uniform(4, 16, len(stamps))
    stamps[:, 3] = rng.uniform(0.6, 1.6, len(stamps))
    stamps[:, 4] = rng.normal(rng.uniform(0, math.pi), rng.uniform(0.2, 2), len(stamps))
    return stamps


def _grid(rng: np.random.Generator, rows: int, columns: int, shift: float, gap: float, round_: float) -> np.ndarray:
    """Return cells on a grid: odd rows are shifted by `shift` cells, with `gap` texels between cells."""
    stamps = _stamps(rng, rows * columns)
    row, column = np.divmod(np.arange(rows * columns), columns)
    stamps[:, 0] = (column + 0.5 + shift * (row % 2)) * SIZE / columns
    stamps[:, 1] = (row + 0.5) * SIZE / rows
    stamps[:, 2], stamps[:, 3] = SIZE / columns / 2 - gap / 2, SIZE / rows / 2 - gap / 2
    stamps[:, 5] = round_
    stamps[:, 6] = rng.uniform(0.4, 1, len(stamps))
    return stamps


def _pebbles(rng: np.random.Generator) -> np.ndarray:
    rows = 2 * int(rng.integers(4, 12))
    stamps = _grid(rng, rows, rows, 0.5, rng.uniform(1, 4), 1)
    stamps[:, :2] += rng.normal(0, 0.12 * SIZE / rows, (len(stamps), 2))
    stamps[:, 2:4] *= rng.uniform(0.8, 1.25, (len(stamps), 2))
    stamps[:, 4] = rng.uniform(0, math.pi, len(stamps))
    return stamps


def _checker(rng: np.random.Generator) -> np.ndarray:
    cells = 2 * int(rng.integers(1, 7))
    stamps = _grid(rng, cells, cells, 0, float(rng.choice([0, 0, 2])), 0)
    row, column = np.divmod(np.arange(len(stamps)), cells)
    stamps[:, 6:9] = np.where(((row + column) % 2)[:, None], rng.random(3), rng.random(3))
    stamps[:, 6:9] += rng.normal(0, rng.choice([0, 0.1]), (len(stamps), 3))
    return stamps


def _stripes(rng: np.random.Generator, horizontal: bool = False) -> np.ndarray:
    """Return full-length bands of irregular widths, half of the time with repeating colours."""
    count = int(rng.integers(3, 24))
    edges = np.sort(rng.uniform(0, SIZE, count)) if rng.random() < 0.5 else np.arange(count) * SIZE / count
    stamps = _stamps(rng, count)
    stamps[:, 0], stamps[:, 1] = edges, SIZE / 2
    stamps[:, 2], stamps[:, 3] = SIZE / count * rng.uniform(0.15, 0.6), SIZE / 2 + 1
    stamps[:, 6:9] = stamps[:, 6:9][np.arange(count) % rng.integers(1, 5)]
    if horizontal:
        stamps[:, :4] = stamps[:, [1, 0, 3, 2]]
    return stamps


def _plaid(rng: np.random.Generator) -> np.ndarray:
    stamps = np.concatenate([_stripes(rng), _stripes(rng, horizontal=True)])
    stamps[:, 9] = rng.uniform(0.3, 0.7)
    return stamps


def _dots(rng: np.random.Generator) -> np.ndarray:
    rows = 2 * int(rng.integers(2, 9))
    stamps = _grid(rng, rows, rows, rng.choice([0, 0.5]), 0, float(rng.choice([0, 1, 1])))
    stamps[:, 2:4] = SIZE / rows * rng.uniform(0.15, 0.4)
    stamps[:, 4] = rng.choice([0, math.pi / 4])
    kinds = int(rng.integers(1, 4))
    stamps[:, 6:9] = rng.random((kinds, 3))[rng.integers(0, kinds, len(stamps))]
    stamps[:, :2] += rng.normal(0, rng.choice([0, 3]), (len(stamps), 2))
    return stamps


def _text(rng: np.random.Generator) -> np.ndarray:
    """Return lines of glyph-like marks with two to four strokes each, and blanks between words."""
    lines = int(rng.integers(4, 15))
    tall = SIZE / lines
    glyphs = int(SIZE / (tall * 0.5))
    stamps = _stamps(rng, lines * glyphs * 3)
    cell = np.arange(len(stamps)) // 3
    row, column = np.divmod(cell, glyphs)
    stamps[:, 0] = (column + 0.5) * SIZE / glyphs + rng.uniform(-0.13, 0.13, len(stamps)) * tall
    stamps[:, 1] = (row + 0.5) * tall + rng.uniform(-0.18, 0.18, len(stamps)) * tall
    stamps[:, 2], stamps[:, 3] = rng.uniform(0.06, 0.2, len(stamps)) * tall, rng.uniform(0.03, 0.05) * tall
    stamps[:, 4] = rng.choice([0, math.pi / 2, math.pi / 4, -math.pi / 4], len(stamps))
    stamps[:, 6:9] = rng.random(3)
    blank = rng.random(lines * glyphs) < 0.2
    return stamps[~blank[cell]]


def _poster(rng: np.random.Generator) -> np.ndarray:
    """Return a few large shapes and a headline."""
    large = _stamps(rng, int(rng.integers(4, 14)))
    large[:, 2:4] = rng.uniform(10, 70, (len(large), 2))
    large[:, 4] = rng.uniform(0, math.pi, len(large)) * (rng.random() < 0.5)
    large[:, 5] = rng.random()
    return np.concatenate([large, _text(rng)[: int(rng.integers(0, 60))]])


def _windows(rng: np.random.Generator) -> np.ndarray:
    """Return a facade: frames, dark or lit panes, sills."""
    rows, columns = int(rng.integers(2, 6)), int(rng.integers(2, 6))
    frame = _grid(rng, rows, columns, 0, 0, 0)
    frame[:, 2] *= rng.uniform(0.4, 0.75)
    frame[:, 3] *= rng.uniform(0.5, 0.8)
    frame[:, 6:9] = rng.random(3)
    pane = frame.copy()
    pane[:, 2:4] -= rng.uniform(1.5, 4)
    pane[:, 6:9] = np.array([0, 0, 1]) * rng.uniform(0, 1, (len(pane), 1)) ** 3
    bar, sill = frame.copy(), frame.copy()
    bar[:, 2] = 0.8
    sill[:, 1] += sill[:, 3]
    sill[:, 2], sill[:, 3] = sill[:, 2] * 1.2, 2
    return np.concatenate([frame, pane, bar, sill])


def _books(rng: np.random.Generator) -> np.ndarray:
    """Return shelves of book spines with labels."""
    rows, columns = int(rng.integers(2, 5)), int(rng.integers(10, 28))
    spine = _grid(rng, rows, columns, 0, 0.5, 0.1)
    spine[:, 3] *= rng.uniform(0.7, 0.97, len(spine))
    spine[:, 1] += SIZE / rows / 2 - spine[:, 3] - 3
    spine[:, 6:9] = rng.random((len(spine), 3))
    label = spine.copy()
    label[:, 2], label[:, 3] = label[:, 2] * 0.6, label[:, 3] * rng.uniform(0.05, 0.3, len(label))
    label[:, 1] += rng.uniform(-10, 10, len(label))
    label[:, 6:9] = 1 - label[:, 6:9]
    return np.concatenate([spine, label[rng.random(len(label)) < 0.6]])


STAMPERS = {
    "leaves": _leaves, "pebbles": _pebbles, "checker": _checker, "stripes": _stripes, "plaid": _plaid, "dots": _dots,
    "text": _text, "poster": _poster, "windows": _windows, "books": _books, "straw": _straw,
    "bricks": lambda rng: _grid(rng, 2 * int(rng.integers(3, 9)), int(rng.integers(3, 7)), 0.5, rng.uniform(1.5, 4), 0),
    "grout": lambda rng: _grid(rng, n := int(rng.integers(2, 9)), n, 0, rng.uniform(1, 4), rng.uniform(0, 0.2)),
    "planks": lambda rng: _grid(rng, 2 * int(rng.integers(2, 6)), 1, 0.5, rng.uniform(0.5, 2), 0),
}  # fmt: skip
GRAIN = {"planks": 5.0, "bricks": 1.0, "pebbles": 1.0, "leaves": 1.0, "grout": 1.0}  # noise added over the cells
