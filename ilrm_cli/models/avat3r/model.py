"""The Avat3r network: what the photos show is worked out once, each expression then changes it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import zip_longest

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.functional import gelu, interpolate

from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.geometry.views import Priors, TrainingRange, Views
from ilrm_cli.models.avat3r.config import Avat3rConfig
from ilrm_cli.models.base import Animated, Architecture, Capabilities, Cost, NeededPriors, Network, Pass, Tap
from ilrm_cli.models.cost.sequence import (
    Held,
    cross_block,
    gaussian_head,
    linear,
    pixel_tokens,
    transformer_block,
    upsampling,
)
from ilrm_cli.models.cost.sequence import cost_of as cost_of_stages
from ilrm_cli.models.layers.config import Channel
from ilrm_cli.models.layers.gaussian_head import GaussianHead
from ilrm_cli.models.layers.passes import WHOLE, AttentionClock, Chunks
from ilrm_cli.models.layers.tokens import patchify, pixel_channels
from ilrm_cli.models.layers.transformer import CrossBlock, TransformerBlock, learned, places_in
from ilrm_cli.models.layers.upsampler import UpsampleStage
from ilrm_cli.models.patches import Batch, Layer, parameters_in, run_layer
from ilrm_cli.runtime.progress import Report, Step, ignore

CHANNELS: tuple[Channel, ...] = ("color", "moment", "direction")
PIXEL_CHANNELS = 3 * len(CHANNELS) + 3  # with the position


def capabilities_of(config: Avat3rConfig) -> Capabilities:
    """Return what a model of this configuration can do."""
    return Capabilities(
        trained_on=TrainingRange((config.min_views, config.max_views), config.fov_deg, config.baseline_to_depth),
        long_side_px=config.long_side_px,
        size_multiple=config.size_multiple,
        normalisation="centred",
        priors=NeededPriors(config.code, config.features, config.least_confidence),
    )


def cost_of(config: Avat3rConfig, asked: Pass) -> Cost:
    """Return operations and memory of a pass."""
    pixels, width = asked.views * asked.height * asked.width, config.width
    tokens, context = pixels // config.patch**2, config.expression_tokens
    own = transformer_block(1, tokens, width, config.mlp_ratio, quick=True)
    other = cross_block(tokens, context, width, config.mlp_ratio, quick=True)
    code = linear(1, config.code, width) + linear(1, width, context * width)
    stages = {
        "tokens": [
            pixel_tokens(pixels, config.patch, PIXEL_CHANNELS, width),
            Held(linear(tokens, config.features, width), tokens * (config.features + width), 0),
        ],
        "blocks": [*[own] * config.self_layers, Held(code, context * width, 0), *[other] * config.cross_layers],
        "upsampler": upsampling(asked, config.patch, width, config.widths, config.window, config.mlp_ratio),
        "head": [gaussian_head(pixels, config.last_patch, (width, *config.widths)[-1], config.head)],
    }
    return cost_of_stages(asked, stages, parameters_in(Avat3r, config))


@dataclass(frozen=True)
class Prefix:
    """What does not depend on the expression: everything before the first cross attention."""

    tokens: Float[Tensor, "scene token dim"]
    batch: Batch
    priors: tuple[Priors, ...]  # of each scene
    kept: tuple[Bool[Tensor, " pixel"], ...]  # which pixels of each scene become Gaussians


class ExpressionEncoder(nn.Module):
    """Linear, GELU, Linear to some tokens, and a norm."""

    def __init__(self, code: int, tokens: int, width: int):
        super().__init__()
        self.tokens = tokens
        self.fc1, self.fc2 = nn.Linear(code, width), nn.Linear(width, tokens * width)
        self.norm = nn.LayerNorm(width)

    def forward(self, codes: Float[Tensor, "scene code"]) -> Float[Tensor, "scene token dim"]:
        return self.norm(self.fc2(gelu(self.fc1(codes))).unflatten(-1, (self.tokens, -1)))


class Avat3r(Network):
    """The animatable reconstruction model (arXiv 2502.20220, section 3).

    images, rays, position maps -> tokens, + places, + features   [scene, V HW/p², d]
    self attention over all views                                 the prefix, kept between expressions
    cross attention to the tokens of an expression
    norm, upsampler in windows -> head                            one Gaussian per pixel
    means + position map, colours + image, pixels of little confidence left out
    """

    architecture = "avat3r"

    def __init__(self, config: Avat3rConfig):
        super().__init__()
        if config.patch % (1 << len(config.widths)):
            raise ValueError(f"patches of {config.patch} px cannot be halved {len(config.widths)} times")
        if config.head.depth != "mapped":
            raise ValueError(f'a head of depth "{config.head.depth}" heeds no position maps')
        self.config, self.precision = config, torch.float32
        width, head_width, ratio = config.width, config.head_width, config.mlp_ratio
        self.tokenizer = nn.Linear(config.patch**2 * PIXEL_CHANNELS, width, bias=False)
        self.of_features = nn.Linear(config.features, width, bias=False) if config.features else None
        self.positions = learned(config.places, width)
        self.expression = ExpressionEncoder(config.code, config.expression_tokens, width)
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.own = nn.ModuleList(
            TransformerBlock(width, head_width, ratio, bias=True, quick=True) for _ in range(config.self_layers)
        )
        self.cross = nn.ModuleList(
            CrossBlock(width, head_width, ratio, bias=True, quick=True) for _ in range(config.cross_layers)
        )
        sizes = zip((width, *config.widths), config.widths, strict=False)
        self.stages = nn.ModuleList(
            UpsampleStage(wide, fine, head_width, ratio, config.window, "views") for wide, fine in sizes
        )
        self.head = GaussianHead(config.head, (width, *config.widths)[-1], config.last_patch, norm_bias=True)
        # Linears keep PyTorch's draw, whose spread falls with the root of their inputs' number, so that signals shrink
        # alike at any width (cf. LeCun et al. 1998, "Efficient BackProp", section 4.6): 0.02 suits widths around 1,000,
        # and in narrow ones expressions would hardly be heard.
        # By the skips, Gaussians start on the position map, in the photo's colours.
        nn.init.zeros_(self.head.linear.weight)

    @property
    def capabilities(self) -> Capabilities:
        return capabilities_of(self.config)

    def cost(self, asked: Pass) -> Cost:
        return cost_of(self.config, asked)

    def forward(
        self,
        scenes: Sequence[Views],
        depth_ranges: Sequence[tuple[float, float]] | None = None,
        clock: AttentionClock | None = None,
        report: Report = ignore,
        tap: Tap | None = None,
        chunks: Chunks = WHOLE,
    ) -> list[Gaussians]:
        """Predict as `Network.forward` says, the scenes with the expressions of their `Views.priors`."""
        prefix = self.prefix(scenes, report)
        return self.expressed(prefix, torch.stack([priors.expression for priors in prefix.priors]), report)

    def animated(self, scene: Views, least_confidence: float | None = None, report: Report = ignore) -> Animated:
        prefix = self.prefix([scene], report, least_confidence)
        return lambda code: self.expressed(prefix, code[None])[0]

    def prefix(self, scenes: Sequence[Views], report: Report = ignore, least_confidence: float | None = None) -> Prefix:
        """Return what all expressions of these heads share; see `Network.animated` for `least_confidence`."""
        least = self.config.least_confidence if least_confidence is None else least_confidence
        batch, priors = Batch.of(scenes, None), tuple(priors_of(scene) for scene in scenes)
        with self.products(batch.images.device):
            tokens = self._embedded(batch, priors).float()
        kept = tuple((one.confidence > least).flatten() for one in priors)
        return Prefix(self._through(tokens, self._order()[: self._shared], report), batch, priors, kept)

    def expressed(self, prefix: Prefix, codes: Float[Tensor, "scene code"], report: Report = ignore) -> list[Gaussians]:
        """Return the Gaussians of each head with its expression; those of pixels of little confidence are left out."""
        batch = prefix.batch
        with self.products(batch.images.device):
            context = self.expression(codes).float()
        layers: list[Layer] = [
            partial(block, context=context) if isinstance(block, CrossBlock) else block
            for block in self._order()[self._shared :]
        ]
        rows = batch.grid(self.config.patch)[0]
        layers += [self.norm2, *(self._stage(number, batch.views, rows) for number in range(len(self.stages)))]
        tokens = self._through(prefix.tokens, layers, report)
        positions = torch.cat([priors.positions for priors in prefix.priors])
        with self.products(tokens.device):
            raw = self.head(batch.parted(tokens), columns=batch.grid(self.config.last_patch)[1])
        made = self.head.gaussians(raw.float(), batch.cameras, batch.images, positions=positions)
        scenes = batch.scenes_of(made)
        if tokens.is_meta:  # where nothing is known of the confidence
            return scenes
        return [scene[kept] for scene, kept in zip(scenes, prefix.kept, strict=True)]

    def _embedded(self, batch: Batch, priors: Sequence[Priors]) -> Float[Tensor, "scene token dim"]:
        rows, columns = batch.grid(self.config.patch)
        rays = pixel_channels(batch.cameras, CHANNELS, batch.images)
        channels = torch.cat([rays, torch.cat([one.positions for one in priors])], dim=-1)
        tokens = self.tokenizer(patchify(channels, self.config.patch)) + places_in(self.positions, rows, columns)
        if self.of_features is not None:
            dense = torch.cat([features_of(one, self.config.features) for one in priors])
            grid = interpolate(dense.permute(0, 3, 1, 2), (rows, columns), mode="bilinear", align_corners=False)
            tokens = tokens + self.of_features(grid.flatten(2).transpose(1, 2))
        return self.norm1(batch.joined(tokens))

    def _order(self) -> list[nn.Module]:
        """Return all layers in their order."""
        if self.config.order == "self first":
            return [*self.own, *self.cross]
        pairs = zip_longest(self.own, self.cross)
        return [layer for pair in pairs for layer in pair if layer is not None]

    @property
    def _shared(self) -> int:
        """Number of layers before the first that heeds the expression."""
        return self.config.self_layers if self.config.order == "self first" else 1

    def _stage(self, number: int, views: int, rows: int) -> Layer:
        return lambda tokens: self.stages[number](tokens, views, rows << number)

    def _through(self, tokens: Tensor, layers: Sequence[Layer], report: Report) -> Tensor:
        for number, layer in enumerate(layers, start=1):
            with self.products(tokens.device):
                tokens = run_layer(layer, tokens, self.checkpointing)
            report(Step("layers", number, len(layers)))
        return tokens


def priors_of(scene: Views) -> Priors:
    assert scene.priors is not None, "a head comes with position maps and an expression"
    return scene.priors


def features_of(priors: Priors, channels: int) -> Float[Tensor, "view rows columns channel"]:
    features = priors.features
    assert features is not None, "this model needs dense features of the photos"
    assert features.shape[-1] == channels, f"{channels} features are needed, not {features.shape[-1]}"
    return features


def unknown_priors(config: Avat3rConfig, views: int, height: int, width: int) -> Priors:
    """Return priors that say nothing, for photos of this size (px): to count and to measure passes."""
    rows, columns = height // config.patch, width // config.patch
    features = torch.zeros(views, rows, columns, config.features) if config.features else None
    shape = (views, height, width)
    return Priors(torch.zeros(*shape, 3), torch.ones(shape), torch.zeros(config.code), features)


ARCHITECTURE = Architecture(
    name=Avat3r.architecture,
    config=Avat3rConfig,
    required=("order", "widths", "window", "code", "features", "head"),
    capabilities=capabilities_of,
    cost=cost_of,
    build=Avat3r,
)
