"""What the numbers of an expression code mean, and which heads are written as folders; imports nothing heavy."""

from dataclasses import dataclass

# The blendshapes, in the order of the numbers of an expression code, each from 0 (at rest) to 1.
SHAPES = ("jaw", "smile", "pucker", "brows", "blink", "cheeks")
HEAD_NAME, EXPRESSIONS_NAME = "head.json", "expressions.json"  # in a head's folder


@dataclass(frozen=True)
class PositionNoise:
    """The errors of position maps, as a point-map network leaves them, in radii of the head."""

    of_pixel: float = 0.008  # standard deviation at each pixel
    of_view: float = 0.01  # standard deviation of what a whole view is off by, along each axis


@dataclass(frozen=True)
class HeadOrder:
    """The heads to write as folders."""

    heads: int
    seed: int = 0
    first: int = 0  # number of the first head
    views: int = 4  # photos; as many as the preset's model takes
    width: int = 256  # px
    height: int = 256  # px
    noise: PositionNoise = PositionNoise()
