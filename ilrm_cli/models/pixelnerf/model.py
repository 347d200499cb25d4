"""pixelNeRF: every point of the world asks all input photos what they show there (Yu et al. 2021, section 4)."""

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import grid_sample, relu

from ilrm_cli.geometry.cameras import Cameras, plausible
from ilrm_cli.geometry.fields import Box, Field, Marching, Rays, Span
from ilrm_cli.geometry.views import TrainingRange, Views
from ilrm_cli.models.base import Architecture, Capabilities, Cost, FieldNetwork, Pass, Piecewise
from ilrm_cli.models.layers.parts import named_weights, shaped, with_weights
from ilrm_cli.models.layers.passes import WHOLE
from ilrm_cli.models.pixelnerf.config import PixelNerfConfig
from ilrm_cli.models.pixelnerf.published import is_pixelnerf, load_pixelnerf
from ilrm_cli.models.pixelnerf.trunk import USED_LAYERS, Trunk
from ilrm_cli.runtime.progress import Report, ignore

SOLID = 10.0  # density from which Gaussians are put
AT_ONCE = 1 << 14  # points times views in the MLP
ROOM = 1.2  # sides of the box around the scene, over its depth
SIZE_MULTIPLE = 16
HALF_PIXEL = 0.5  # by which its pixels lie nearer to the corner than ours
BYTES = 4


class ResidualBlock(nn.Module):
    """x + fc1(relu(fc0(relu(x))))."""

    def __init__(self, width: int):
        super().__init__()
        self.fc_0, self.fc_1 = nn.Linear(width, width), nn.Linear(width, width)
        nn.init.zeros_(self.fc_1.weight)

    def forward(self, x: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch dim"]:
        return x + self.fc_1(relu(self.fc_0(relu(x))))


class ConditionedMlp(nn.Module):
    """Features, place and direction in each view -> their mean over views -> colour and raw density."""

    def __init__(self, latent: int, config: PixelNerfConfig):
        super().__init__()
        self.parts, hidden = [latent, config.place_numbers], config.hidden
        self.lin_in = nn.Linear(config.place_numbers, hidden)
        self.lin_z = nn.ModuleList(nn.Linear(latent, hidden) for _ in range(config.conditioned))
        self.blocks = nn.ModuleList(ResidualBlock(hidden) for _ in range(config.blocks))
        self.lin_out = nn.Linear(hidden, 4)

    def forward(self, asked: Float[Tensor, "view point number"]) -> Float[Tensor, "point 4"]:
        features, place = asked.split(self.parts, dim=-1)
        x = self.lin_in(place)
        for number, block in enumerate(self.blocks):
            if number < len(self.lin_z):
                x = x + self.lin_z[number](features)
            if number == len(self.lin_z):
                x = x.mean(0)
            x = block(x)
        if len(self.lin_z) == len(self.blocks):
            x = x.mean(0)
        return self.lin_out(relu(x))


class PixelField(Field):
    """The field of some views."""

    surface = SOLID

    def __init__(
        self,
        latent: Float[Tensor, "view channel rows columns"],
        cameras: Cameras,
        networks: tuple[ConditionedMlp, ConditionedMlp],
        config: PixelNerfConfig,
        bounds: tuple[float, float],
    ):
        self.latent, self.cameras, self.networks, self.bounds = latent, cameras, networks, bounds
        self.frequencies = config.frequencies
        self.marching = Marching(config.samples, config.importance, config.around_depth, refined=True)
        self.background = torch.full((3,), float(config.white)).to(latent)
        middle = (cameras.positions + cameras.forward * sum(bounds) / 2).mean(0).to(latent)
        half = ROOM * (bounds[1] - bounds[0]) / 2
        self.box = Box(middle - half, middle + half)

    def span(self, rays: Rays) -> Span:
        """Return the bounds of the data set, the same for all rays."""
        near, far = (torch.full_like(rays.origins[:, 0], bound) for bound in self.bounds)
        return Span(near, far, torch.ones_like(near, dtype=torch.bool))

    def asked(
        self, points: Float[Tensor, "point 3"], directions: Float[Tensor, "point 3"]
    ) -> Float[Tensor, "view point number"]:
        """Return what the MLP gets: each view's features at the points, and their place and direction in its axes.

        The place is rotated into the view's axes (right, up, back), and not moved.
        """
        cam_from_world = self.cameras.cam_from_world.to(points)
        turn = cam_from_world[:, :3, :3] * torch.tensor([1.0, -1, -1]).to(points)[:, None]
        local, seen = points @ turn.transpose(1, 2), directions @ turn.transpose(1, 2)
        at = points @ cam_from_world[:, :3, :3].transpose(1, 2) + cam_from_world[:, None, :3, 3]
        pixels = (
            at[..., :2] / at[..., 2:] * self.cameras.focal_px[:, None] + self.cameras.center_px[:, None] - HALF_PIXEL
        )
        rows, columns = self.latent.shape[-2:]
        scale = torch.tensor([columns / self.cameras.width, rows / self.cameras.height]).to(points)
        last = torch.tensor([columns - 1, rows - 1]).to(points)
        places = (pixels * scale / last * 2 - 1)[:, :, None]
        features = grid_sample(self.latent, places, mode="bilinear", padding_mode="border", align_corners=True)
        return torch.cat([features[..., 0].transpose(1, 2), encoded(local, self.frequencies), seen], dim=-1)

    def sampled(
        self, points: Float[Tensor, "point 3"], directions: Float[Tensor, "point 3"], refined: bool = False
    ) -> tuple[Float[Tensor, " point"], Float[Tensor, "point 3"]]:
        network, at_once = self.networks[refined], max(1, AT_ONCE // len(self.latent))
        parts = zip(points.split(at_once), directions.split(at_once), strict=True)
        made = torch.cat([network(self.asked(*part)) for part in parts])
        return made[:, 3], made[:, :3].sigmoid()

    def density(self, raw: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
        return relu(raw)

    def parts(self) -> dict[str, Tensor]:
        cameras, (coarse, fine) = self.cameras, self.networks
        return {
            "latent": self.latent,
            "world_from_cam": cameras.world_from_cam,
            "focal_px": cameras.focal_px,
            "center_px": cameras.center_px,
            "size_px": torch.tensor([cameras.width, cameras.height], dtype=torch.float32),
            "bounds": torch.tensor(self.bounds, dtype=torch.float32),
            **named_weights(coarse=coarse, fine=fine),
        }


def field_of(config: PixelNerfConfig, parts: Mapping[str, Tensor]) -> PixelField:
    """Return the field of these parts. Raises ValueError, RuntimeError or LookupError for others."""
    views, channels, rows, columns = parts["latent"].shape
    latent = shaped(parts["latent"], (views, latent_channels(config), rows, columns))
    poses = shaped(parts["world_from_cam"], (views, 4, 4))
    focal, center = (shaped(parts[name], (views, 2)) for name in ("focal_px", "center_px"))
    width, height = map(int, shaped(parts["size_px"], (2,)))
    near, far = map(float, shaped(parts["bounds"], (2,)))
    lenses = zip(focal.tolist(), center.tolist(), strict=True)
    if not (min(views, rows, columns) > 0 and all(plausible(*lens, width, height) for lens in lenses)):
        raise ValueError("views without a picture or a camera")
    if not 0 <= near < far:
        raise ValueError(f"rays from {near:g} to {far:g}")
    networks = [with_weights(lambda: ConditionedMlp(channels, config), parts, name) for name in ("coarse", "fine")]
    cameras = Cameras(poses, focal, center, width, height)
    return PixelField(latent, cameras, (networks[0], networks[1]), config, (near, far))


class PixelNerf(FieldNetwork):
    """The network: a trunk, and two MLPs for coarse and fine samples."""

    architecture = "pixelnerf"

    def __init__(self, config: PixelNerfConfig):
        super().__init__()
        if config.conditioned > config.blocks:
            raise ValueError(f"{config.conditioned} conditioned blocks of {config.blocks}")
        self.config, self.precision = config, torch.float32
        self.trunk = Trunk(config)
        self.coarse, self.fine = (ConditionedMlp(latent_channels(config), config) for _ in range(2))

    @property
    def capabilities(self) -> Capabilities:
        return capabilities_of(self.config)

    def cost(self, asked: Pass) -> Cost:
        return cost_of(self.config, asked)

    def fields(
        self,
        scenes: Sequence[Views],
        report: Report = ignore,
        depth_ranges: Sequence[tuple[float, float]] | None = None,
    ) -> list[Field]:
        bounds = depth_ranges or [(self.config.near, self.config.far)] * len(scenes)
        networks = (self.coarse, self.fine)
        return [
            PixelField(self.trunk(scene.images * 2 - 1), scene.cameras, networks, self.config, own)
            for scene, own in zip(scenes, bounds, strict=True)
        ]


def latent_channels(config: PixelNerfConfig) -> int:
    """Return the number of features of a pixel."""
    return sum(config.widths[: USED_LAYERS + 1])


def encoded(x: Float[Tensor, "*batch 3"], frequencies: Sequence[float]) -> Float[Tensor, "*batch number"]:
    """Return x, and its sines and cosines of every frequency."""
    waves = [wave(frequency * x) for frequency in frequencies for wave in (torch.sin, torch.cos)]
    return torch.cat([x, *waves], dim=-1)


def capabilities_of(config: PixelNerfConfig) -> Capabilities:
    """Return what such a network can do."""
    return Capabilities(
        trained_on=TrainingRange((config.min_views, config.max_views)),
        long_side_px=config.long_side_px,
        size_multiple=SIZE_MULTIPLE,
        output="field",
    )


def cost_of(config: PixelNerfConfig, asked: Pass) -> Cost:
    """Return operations and memory of the trunk, and of a picture of a view's size drawn from the field."""
    pixels, widths = asked.height * asked.width, config.widths
    latent = latent_channels(config)
    trunk = 3 * 49 * widths[0] * pixels / 4
    for number, depth in enumerate(config.depths[:USED_LAYERS], 1):
        places = pixels / 4 ** (number + config.first_pool)
        first = 9 * widths[number - 1] * widths[number]
        trunk += places * (first + (2 * depth - 1) * 9 * widths[number] ** 2)
    first = config.place_numbers * config.hidden
    conditioned = first + config.conditioned * (latent + 2 * config.hidden) * config.hidden
    shared = 2 * (config.blocks - config.conditioned) * config.hidden**2 + 4 * config.hidden
    points = pixels * (2 * config.samples + config.importance + config.around_depth)
    macs = asked.views * trunk + points * (asked.views * conditioned + shared)
    mlp = conditioned + shared
    weights = BYTES * int(2 * mlp + sum(2 * depth * 9 * widths[i] ** 2 for i, depth in enumerate(config.depths, 1)))
    held = BYTES * int(asked.views * latent * pixels / 2 + AT_ONCE * (latent + 4 * config.hidden))
    return Cost(2.0 * macs, weights, BYTES * 3 * asked.views * pixels, (Piecewise(WHOLE, held, "field"),))


ARCHITECTURE = Architecture(
    name=PixelNerf.architecture,
    config=PixelNerfConfig,
    required=(),
    capabilities=capabilities_of,
    cost=cost_of,
    build=PixelNerf,
    load_published=load_pixelnerf,
    recognises=is_pixelnerf,
    field_of=field_of,
)
