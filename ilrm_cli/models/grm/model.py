"""The GRM network: few coarse tokens see everything, many fine ones see their window."""

import dataclasses
import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.geometry.views import TrainingRange
from ilrm_cli.models.base import Architecture, Capabilities, Cost, Pass
from ilrm_cli.models.cost.sequence import cost_of as cost_of_stages
from ilrm_cli.models.cost.sequence import gaussian_head, pixel_tokens, transformer_block, upsampling
from ilrm_cli.models.grm.config import GrmConfig
from ilrm_cli.models.grm.published import load_published, recognises
from ilrm_cli.models.layers.config import Channel
from ilrm_cli.models.layers.gaussian_head import GaussianHead
from ilrm_cli.models.layers.tokens import patchify, pixel_channels
from ilrm_cli.models.layers.transformer import TransformerBlock, initialize, learned, places_in
from ilrm_cli.models.layers.upsampler import UpsampleStage
from ilrm_cli.models.patches import Batch, Layer, PatchNetwork, parameters_in
from ilrm_cli.runtime.errors import InputError

CHANNELS: tuple[Channel, ...] = ("color", "moment", "direction")


def capabilities_of(config: GrmConfig) -> Capabilities:
    """Return what a model of this configuration can do."""
    return Capabilities(
        trained_on=TrainingRange((config.min_views, config.max_views), config.fov_deg, config.baseline_to_depth),
        long_side_px=config.long_side_px,
        size_multiple=config.size_multiple,
        normalisation="centred" if config.head.depth == "orbit" else "recentred",
        grid_factor=1 if config.layout == "views" else None,
    )


def cost_of(config: GrmConfig, asked: Pass) -> Cost:
    """Return operations and memory of a pass."""
    pixels = asked.views * asked.height * asked.width
    tokens = pixels // config.patch**2
    legacy = config.layout == "legacy"
    finer = upsampling(
        asked, config.patch, config.width, config.widths, config.window, config.mlp_ratio, in_runs=legacy
    )
    narrow = (config.width, *config.widths)[-1]
    stages = {
        "tokens": [pixel_tokens(pixels, config.patch, 3 * len(CHANNELS), config.width)],
        "blocks": [transformer_block(1, tokens, config.width, config.mlp_ratio, quick=True)] * config.layers,
        "upsampler": finer,
        "head": [gaussian_head(pixels, config.last_patch, narrow, config.head)],
    }
    return cost_of_stages(asked, stages, parameters_in(Grm, config))


class Grm(PatchNetwork):
    """The Gaussian reconstruction model (arXiv 2403.14621, section 3).

        images and rays, learned positions -> tokens, norm  [scene, V HW/16², d]
        L times: self attention over all views, MLP
        norm, upsampler in windows -> head                  -> V H W Gaussians

    With windows within views, a permutation of the views permutes the Gaussians.
    """

    architecture = "grm"

    def __init__(self, config: GrmConfig):
        super().__init__(config)
        if config.patch % (1 << len(config.widths)):
            raise ValueError(f"patches of {config.patch} px cannot be halved {len(config.widths)} times")
        width = config.width
        self.tokenizer = nn.Linear(config.patch**2 * 3 * len(CHANNELS), width, bias=False)
        self.positions = learned(config.places, width)
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.blocks = nn.ModuleList(
            TransformerBlock(width, config.head_width, config.mlp_ratio, bias=True, quick=True)
            for _ in range(config.layers)
        )
        sizes = zip((width, *config.widths), config.widths, strict=False)
        self.stages = nn.ModuleList(
            UpsampleStage(wide, fine, config.head_width, config.mlp_ratio, config.window, config.layout)
            for wide, fine in sizes
        )
        self.head = GaussianHead(config.head, (width, *config.widths)[-1], config.last_patch, norm_bias=True)
        self.apply(initialize)

    @property
    def capabilities(self) -> Capabilities:
        return capabilities_of(self.config)

    def cost(self, asked: Pass) -> Cost:
        return cost_of(self.config, asked)

    def embedded(self, batch: Batch) -> Float[Tensor, "scene token dim"]:
        if self.config.layout == "legacy":
            require_square(batch.views * math.prod(batch.grid(self.config.patch)), self.config)
        cameras = shown_by_legacy_rays(batch.cameras) if self.config.layout == "legacy" else batch.cameras
        channels = pixel_channels(cameras, CHANNELS, batch.images)
        tokens = self.tokenizer(patchify(channels, self.config.patch))
        return self.norm1(batch.joined(tokens + places_in(self.positions, *batch.grid(self.config.patch))))

    def layers_for(self, batch: Batch) -> Sequence[Layer]:
        stages = [self._stage(number, batch) for number in range(len(self.stages))]
        return [*self.blocks, self.norm2, *stages]

    def _stage(self, number: int, batch: Batch) -> Layer:
        rows = batch.grid(self.config.patch)[0] << number
        return lambda tokens: self.stages[number](tokens, batch.views, rows)

    def decoded(self, tokens: Float[Tensor, "scene token dim"], batch: Batch) -> list[Gaussians]:
        with self.products(tokens.device):
            raw = self.head(batch.parted(tokens), columns=batch.grid(self.config.last_patch)[1])
        legacy = self.config.layout == "legacy"
        cameras = shown_by_legacy_pixels(batch.cameras) if legacy else batch.cameras
        return batch.scenes_of(self.head.gaussians(raw.float(), cameras, batch.images, None, batch.ranges))


def require_square(tokens: int, config: GrmConfig) -> None:
    """Raise InputError for tokens of all views that the withdrawn layout cannot put into its one grid and windows."""
    finer = [tokens << 2 * number for number in range(1, len(config.widths) + 1)]
    if math.isqrt(tokens) ** 2 != tokens or any(count % min(config.window, count) for count in finer):
        raise InputError(
            f"this model's layout makes one square of all photos, which {tokens} patches of {config.patch} px are not, "
            f"in windows of {config.window}; give 1, 4 or 9 square photos."
        )


def shown_by_legacy_pixels(cameras: Cameras, shift: float = 0.0) -> Cameras:
    """Return cameras whose pixel centres lie where the withdrawn code has them: column i at i / (W - 1) + shift.

    In units of the image. Moving the pixels is the same as another focal length and principal point.
    """
    size = torch.tensor([cameras.width, cameras.height]).to(cameras.focal_px)
    shrunk = (size - 1) / size
    center = (cameras.center_px - shift * size) * shrunk + 0.5
    return dataclasses.replace(cameras, focal_px=cameras.focal_px * shrunk, center_px=center)


def shown_by_legacy_rays(cameras: Cameras) -> Cameras:
    """Return cameras with the rays that the withdrawn code embeds: half an image too far."""
    return shown_by_legacy_pixels(cameras, shift=0.5)


ARCHITECTURE = Architecture(
    name=Grm.architecture,
    config=GrmConfig,
    required=("widths", "window", "layout", "head"),
    capabilities=capabilities_of,
    cost=cost_of,
    build=Grm,
    load_published=load_published,
    recognises=recognises,
)
