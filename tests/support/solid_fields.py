"""Fields whose pictures are known: a box of constant density and one colour, and a ball."""

import torch
from torch import Tensor

from ilrm_cli.geometry.fields import Box, Field, Marching

WHITE = torch.ones(3)


class Solid(Field):
    """A cube of half a unit around the origin."""

    surface = 10.0

    def __init__(self, density: float, marching: Marching = Marching(32), color: tuple[float, ...] = (0.2, 0.4, 0.8)):
        self.marching, self.background, self.constant, self.color = marching, WHITE, density, torch.tensor(color)
        self.box = Box.cube(0.5, WHITE)
        self.most_points = 0

    def sampled(self, points: Tensor, directions: Tensor, refined: bool = False) -> tuple[Tensor, Tensor]:
        self.most_points = max(self.most_points, len(points))
        inside = self.box.inside(points / (1 + 1e-5))
        return inside * self.constant, self.color.expand(len(points), 3)

    def density(self, raw: Tensor) -> Tensor:
        return raw

    def parts(self) -> dict[str, Tensor]:
        return {}


class Ball(Solid):
    """A ball of radius 0.35 whose density rises steeply inward; red on one side, blue on the other."""

    RADIUS, STEEPNESS = 0.35, 60.0

    def sampled(self, points: Tensor, directions: Tensor, refined: bool = False) -> tuple[Tensor, Tensor]:
        self.most_points = max(self.most_points, len(points))
        raw = (self.RADIUS - points.norm(dim=-1)) * self.STEEPNESS
        share = (points[:, 1:2] / self.RADIUS * 4).sigmoid()
        return raw, torch.cat([share, torch.full_like(share, 0.3), 1 - share], dim=-1)

    def density(self, raw: Tensor) -> Tensor:
        return self.surface * raw.exp()
