"""The pixel-aligned Gaussian head: maps raw numbers per viewpoint pixel to Gaussians.

Shared by every backbone that predicts Gaussians along the rays of a pixel grid; `HeadConfig` names the mapping.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import normalize

from ilrm_cli.geometry.cameras import Cameras, directions_through, pixel_centers
from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.geometry.harmonics import from_color
from ilrm_cli.geometry.transforms import multiply, quaternion_from_matrix
from ilrm_cli.models.layers.config import HeadConfig
from ilrm_cli.models.layers.matched_depth import MatchedDepth
from ilrm_cli.models.layers.plane_sweep import Matches
from ilrm_cli.models.layers.tokens import unpatchify

FAR_DISTANCE = 500.0  # largest distance along a ray in the published models, in normalised world units
CENTRED_REACH = 1.8  # largest distance from the ray's point nearest to the origin (FaceLift)
FOOTPRINT_FRACTION = 0.6  # standard deviation over pixel size: neighbouring splats just close the surface


def channels_of(config: HeadConfig, estimates: int = 2, planes: int = 0) -> int:
    """Return the number of raw channels per Gaussian."""
    return sum(channel_split(config, estimates, planes))


def channel_split(config: HeadConfig, estimates: int = 2, planes: int = 0) -> list[int]:
    """Return the channel counts of offset, depth, sh, scale, quaternion, opacity, choice, in the order of the output.

    Depth has one or three logits if published; if matched, a correction and logits to choose among `estimates` of the
    sweep. With a volume of `planes`, these logits and those of the planes come last.
    """
    fixed = {"sigmoid": 3, "centred": 3, "mapped": 3, "between": 1, "orbit": 1, "volume": 1}
    depth = fixed.get(config.depth, estimates)
    choice = estimates + planes if config.depth == "volume" else 0
    return [2 * config.offset, depth, 3 * (config.degree + 1) ** 2, 3, 4, 1, choice]


class GaussianHead(nn.Module):
    """LayerNorm and Linear to patch² Gaussians per token, then the mapping of `HeadConfig`."""

    def __init__(
        self, config: HeadConfig, width: int, patch: int, estimates: int = 2, planes: int = 0, norm_bias: bool = False
    ):
        """Take the number of the sweep's estimates where depths are matched, and of its planes with a volume."""
        super().__init__()
        self.config, self.patch = config, patch
        self.split = channel_split(config, estimates, planes)
        self.norm = nn.LayerNorm(width, bias=norm_bias)
        self.linear = nn.Linear(width, patch * patch * sum(self.split), bias=False)
        if config.depth in ("matched", "volume"):
            self.matched = MatchedDepth(estimates, planes)

    def forward(self, tokens: Float[Tensor, "view token dim"], columns: int) -> Float[Tensor, "view height width raw"]:
        """Return the raw numbers of every viewpoint pixel, for a grid with `columns` patches per row."""
        return unpatchify(self.linear(self.norm(tokens)), self.patch, columns)

    @property
    def own_channels(self) -> int:
        """Number of raw channels that make a Gaussian: all before the choice of its depth."""
        return sum(self.split[:-1])

    def chosen(self, raw: Float[Tensor, "view height width raw"], matches: Matches) -> Matches:
        """Return the matches with a single depth: the one that the last raw channels choose."""
        return matches.at(self.matched.chosen(raw[..., self.own_channels :], matches))

    def gaussians(
        self,
        raw: Float[Tensor, "view height width raw"],
        cameras: Cameras,
        colors: Float[Tensor, "view 3 height width"],
        matches: Matches | None = None,
        ranges: Float[Tensor, "view 2"] | None = None,
        positions: Float[Tensor, "view height width 3"] | None = None,
    ) -> Gaussians:
        """Return Gaussians in (view, row, column) order; cameras and colours are on the viewpoint grid.

        `matches` are needed by "matched" depths and by a "volume", `ranges` (near, far) by those "between", `positions`
        by those "mapped". If the matches have been `chosen`, the channels that choose may be missing.
        """
        own, choice = raw.tensor_split([self.own_channels], dim=-1)
        offset, depth, sh, scale, quaternion, opacity = own.split(self.split[:-1], dim=-1)
        if self.config.depth == "mapped":
            assert positions is not None, "a head with mapped positions needs their map"
            means = positions + depth
            ahead = (means - cameras.positions[:, None, None]) * cameras.forward[:, None, None]
            distance = ahead.sum(-1, keepdim=True)
        else:
            ray = self._rays(cameras, offset)
            distance = self._distances(torch.cat([depth, choice], dim=-1), ray, cameras, matches, ranges)
            means = cameras.positions[:, None, None] + distance * ray
        return Gaussians(
            means=means.flatten(0, 2),
            quaternions=normalize(self._quaternions(quaternion, cameras), dim=-1).flatten(0, 2),
            scales=self._scales(scale, distance, cameras).flatten(0, 2),
            opacities=torch.sigmoid(opacity + self.config.opacity_shift).flatten(),
            harmonics=self._harmonics(sh, colors).flatten(0, 2),
        )

    def free_gaussians(self, raw: Float[Tensor, "gaussian raw"]) -> Gaussians:
        """Return Gaussians that belong to no pixel: three depth channels are the mean itself, in world units."""
        _, means, sh, scale, quaternion, opacity, _ = raw.split(self.split, dim=-1)
        return Gaussians(
            means=means,
            quaternions=normalize(quaternion, dim=-1),
            scales=(scale + self.config.log_scale_shift).clamp_max(self.config.log_scale_max).exp(),
            opacities=torch.sigmoid(opacity + self.config.opacity_shift).flatten(),
            harmonics=sh.unflatten(-1, (-1, 3)),
        )

    def _rays(self, cameras: Cameras, offset: Tensor) -> Float[Tensor, "view height width 3"]:
        """Return rays through pixel centres shifted by the offset: of unit depth where that is sought, else unit rays.

        Only these mappings seek z-depths: "matched", "volume" and "orbit".
        """
        pixels = pixel_centers(cameras.width, cameras.height, cameras.focal_px)
        moved = pixels + torch.sigmoid(offset) - 0.5 if self.config.offset else pixels.expand(len(cameras), -1, -1, -1)
        rays = directions_through(cameras, moved)
        return rays if self.config.depth in ("matched", "volume", "orbit") else normalize(rays, dim=-1)

    def _distances(
        self, raw: Tensor, ray: Tensor, cameras: Cameras, matches: Matches | None, ranges: Tensor | None
    ) -> Float[Tensor, "view height width 1"]:
        """Return the factor of `ray`: the distance along a unit ray, or the z-depth."""
        kind = self.config.depth
        if kind in ("matched", "volume"):
            assert matches is not None, "a matched head needs the plane sweep"
            return self.matched(raw[..., :1], raw[..., 1:], matches)
        if kind == "between":
            assert ranges is not None, "distances between near and far need both"
            near, far = ranges[:, None, None].split(1, dim=-1)  # [V, 1, 1, 1]
            return near + (far - near) * torch.sigmoid(raw)
        if kind == "orbit":
            return raw + cameras.positions.norm(dim=-1)[:, None, None, None]
        share = torch.sigmoid(raw.mean(-1, keepdim=True))
        if kind == "sigmoid":
            return share * FAR_DISTANCE
        nearest = -(ray * cameras.positions[:, None, None]).sum(-1, keepdim=True)
        return (2 * share - 1) * CENTRED_REACH + nearest

    def _scales(self, raw: Tensor, distance: Tensor, cameras: Cameras) -> Float[Tensor, "view height width 3"]:
        if self.config.scale == "absolute":
            return (raw + self.config.log_scale_shift).clamp_max(self.config.log_scale_max).exp()
        if self.config.scale == "bounded":
            low, high = self.config.scale_range
            return low + (high - low) * torch.sigmoid(raw)
        footprint = distance / cameras.focal_px.mean(-1)[:, None, None, None]
        return FOOTPRINT_FRACTION * footprint * raw.exp()

    def _quaternions(self, raw: Tensor, cameras: Cameras) -> Float[Tensor, "view height width 4"]:
        if self.config.rotation == "world":
            return raw
        if self.config.rotation == "world xyzw":
            return raw.roll(1, dims=-1)
        identity = torch.tensor([1.0, 0.0, 0.0, 0.0]).to(raw)
        turn = quaternion_from_matrix(cameras.world_from_cam[:, :3, :3])[:, None, None]
        return multiply(turn.expand_as(raw), raw + identity)

    def _harmonics(self, raw: Tensor, colors: Tensor) -> Float[Tensor, "view height width bases 3"]:
        bases = raw.unflatten(-1, (-1, 3))
        if self.config.color == "absolute":
            return bases
        of_all_sides = from_color(
            torch.sigmoid(bases[..., 0, :]) if self.config.color == "sigmoid" else colors.permute(0, 2, 3, 1)
        )
        if self.config.color == "pixel":
            of_all_sides = of_all_sides + bases[..., :1, :]
        return torch.cat([of_all_sides, bases[..., 1:, :]], dim=-2)
