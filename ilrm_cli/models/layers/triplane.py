"""Triplanes (Chan et al. 2022): three planes of features through a box, looked up bilinearly and decoded to a field."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import grid_sample

Axes = tuple[tuple[int, int], ...]  # of each plane, those along its width and its height


def looked_up(
    planes: Float[Tensor, "plane channel height width"], points: Float[Tensor, "point 3"], axes: Axes
) -> Float[Tensor, "point plane*channel"]:
    """Return the features of all planes at points of [-1, 1]^3, side by side; zeros outside of it.

    The corners of a plane's outermost pixels are the box's, not their centres (align_corners is False).
    """
    places = torch.stack([points[:, pair] for pair in axes])[:, None]  # [plane, 1, point, 2]
    features = grid_sample(planes, places, mode="bilinear", padding_mode="zeros", align_corners=False)
    return features[:, :, 0].movedim(2, 0).flatten(1)


def plane_tokens(planes: Float[Tensor, "plane channel height width"]) -> Float[Tensor, "token channel"]:
    """Return one token per pixel, in (plane, row, column) order."""
    return planes.movedim(1, -1).flatten(0, 2)


def token_planes(tokens: Float[Tensor, "token channel"]) -> Float[Tensor, "plane channel height width"]:
    """Return the three square planes that tokens are in (plane, row, column) order."""
    side = round((len(tokens) / 3) ** 0.5)
    return tokens.unflatten(0, (3, side, side)).movedim(-1, 1)
