"""The iLRM network: viewpoint tokens, refined by reading images and exchange between views, become Gaussians."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from ilrm_cli.geometry import cameras as camera_batches
from ilrm_cli.geometry.backdrop import backdrop
from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.geometry.views import Views
from ilrm_cli.models.base import Architecture, Capabilities, Cost, Network, Pass, Tap
from ilrm_cli.models.ilrm.compiled import compile_layers
from ilrm_cli.models.ilrm.config import IlrmConfig
from ilrm_cli.models.ilrm.contract import capabilities_of, cost_of
from ilrm_cli.models.ilrm.grid import Grid
from ilrm_cli.models.ilrm.published import load_published
from ilrm_cli.models.ilrm.refinement import Look, Pixels, Shared
from ilrm_cli.models.layers.blocks import FULL, HeadNorm, MiniBatch, UpdateLayer
from ilrm_cli.models.layers.feedback import Feedback
from ilrm_cli.models.layers.gaussian_head import GaussianHead
from ilrm_cli.models.layers.passes import WHOLE, AttentionClock, Chunks, joined, pieces
from ilrm_cli.models.layers.plane_sweep import Matches, PlaneSweep
from ilrm_cli.models.layers.pyramid import Pyramid
from ilrm_cli.models.layers.tokens import Tokenizer, pixel_channels
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.runtime.progress import Report, Step, ignore

INIT_STD = 0.02  # of every Linear's weights (released code)

# Viewpoint tokens, and what gives the Gaussians of each scene that belong to them.
Refined = tuple[Tensor, Callable[[], list[Gaussians]]]


class Ilrm(Network):
    """The Iterative Large 3D Reconstruction Model (arXiv 2507.23277).

    Data flow for V views of H x W px, patch p, viewpoint factor f, width d:

        rays at H/f x W/f (+ matching evidence) -> viewpoint tokens  [V, HW/(fp)², d]
        images and rays at H x W                -> image tokens      [V, HW/p², d]
        L times: cross attention per view, MLP, self attention over all views, MLP
        viewpoint tokens -> head                -> V (H/f)(W/f) Gaussians

    With a pyramid (ours), a U-Net makes the viewpoint tokens and spreads them over the grid again. With feedback (ours,
    see `feedback.py`) the head comes first, and each layer changes its Gaussians by what is wrong in their pictures.
    """

    architecture = "ilrm"

    def __init__(self, config: IlrmConfig):
        super().__init__()
        config.require_consistent()
        self.config = config
        evidence = config.estimates * config.matching.planes if config.matching else 0
        viewpoint_channels = 3 * len(config.viewpoint_channels) + evidence
        if config.pyramid:
            pyramid = config.pyramid
            channels = viewpoint_channels + 3 * config.viewpoint_factor**2 + config.estimates
            self.pyramid = Pyramid(channels, pyramid.widths, pyramid.blocks, config.width)
            self.head = GaussianHead(config.head, pyramid.widths[0], 1, config.estimates, config.volume_planes)
            own, looks = self.head.own_channels, config.layers if pyramid.feedback else 0
            self.feedback = nn.ModuleList(Feedback(pyramid.widths, config.width, own) for _ in range(looks))
        else:
            self.viewpoint_tokenizer = Tokenizer(config.patch, viewpoint_channels, config.width)
            self.head = GaussianHead(config.head, config.width, config.patch, config.estimates, config.volume_planes)
            self.feedback = nn.ModuleList()
        self.image_tokenizer = Tokenizer(config.patch, 3 * len(config.image_channels), config.width)
        self.layers = nn.ModuleList(
            UpdateLayer(config.width, config.head_width, config.uplifting, config.mlp_ratio)
            for _ in range(config.layers)
        )
        self.precision = torch.float32  # of the matrix products; rays, residual stream and Gaussians stay in float32
        self.apply(_initialize)
        if config.matching:  # start as a plain splat of the matched depths
            nn.init.zeros_(self.head.linear.weight)

    @property
    def capabilities(self) -> Capabilities:
        return capabilities_of(self.config)

    def cost(self, asked: Pass) -> Cost:
        return cost_of(self.config, asked)

    def compile_layers(self, report: Report = ignore) -> None:
        compile_layers(self.layers, self.config.width, self.precision, report)

    def forward(
        self,
        scenes: Sequence[Views],
        depth_ranges: Sequence[tuple[float, float]] | None = None,
        clock: AttentionClock | None = None,
        report: Report = ignore,
        tap: Tap | None = None,
        chunks: Chunks = WHOLE,
    ) -> list[Gaussians]:
        """Predict as `Network.forward` says; only matching needs `depth_ranges`; taps get viewpoint tokens."""
        clock = clock or AttentionClock(scenes[0].images.device)
        images = torch.cat([s.images for s in scenes]) if len(scenes) > 1 else scenes[0].images  # [B*V, 3, H, W]
        cameras = camera_batches.stack([s.cameras for s in scenes])
        chunks = WHOLE if torch.is_grad_enabled() else chunks
        tokens, grid = self._viewpoint_tokens(scenes, cameras, images, depth_ranges, chunks)
        views = pieces(len(images), chunks.views)
        image_tokens = joined((self._image_tokens(cameras[part], images[part]) for part in views), len(images))
        behind, products = self._backdrops(scenes, depth_ranges), partial(self.products, images.device)
        shared = Shared(image_tokens, behind, products, chunks, clock, report)
        refined = (self._corrected if self.feedback else self._refined)(tokens.float(), grid, shared)
        del tokens, grid, image_tokens  # so that nothing is held longer than the layers need it
        for tokens, gaussians in refined:
            if tap:
                tap(tokens, gaussians)
            del tokens
        return gaussians()

    def _viewpoint_tokens(
        self,
        scenes: Sequence[Views],
        cameras: Cameras,
        images: Float[Tensor, "view 3 rows columns"],
        depth_ranges: Sequence[tuple[float, float]] | None,
        chunks: Chunks,
    ) -> tuple[Float[Tensor, "view token dim"], Grid]:
        """Return the initial viewpoint tokens of all views, which hold the evidence, and what decoding needs."""
        factor = self.config.viewpoint_factor
        small, colors = cameras.resized(cameras.width // factor, cameras.height // factor), avg_pool2d(images, factor)
        found: list[Grid] = []

        def parts() -> Iterator[Tensor]:
            for number, scene in enumerate(scenes):
                first, sweep = number * len(scene), None
                if self.config.matching is not None:
                    assert depth_ranges is not None, "a model with matching needs the depth range of each scene"
                    own, depth_range = slice(first, first + len(scene)), depth_ranges[number]
                    sweep = PlaneSweep.of(
                        colors[own], small[own], depth_range, self.config.matching, scene.sparse_depth
                    )
                for part in pieces(len(scene), chunks.views):
                    own = slice(first + part.start, first + part.stop)
                    matches = sweep.matches(part) if sweep else None
                    content = None if scene.content is None else avg_pool2d(scene.content[part], factor)
                    grid = Grid(small[own], colors[own], content, matches)
                    channels = grid.channels(self.config.viewpoint_channels)
                    tokens, maps = self._tokenized(channels, grid, images[own])
                    found.append(grid.for_decoding(maps, evidence=self.config.head.depth == "volume"))
                    yield tokens

        tokens = joined(parts(), len(images))
        return tokens, Grid.concatenated(found)

    def _tokenized(
        self, channels: Float[Tensor, "view height width channel"], grid: Grid, images: Tensor
    ) -> tuple[Float[Tensor, "view token dim"], list[Tensor]]:
        """Return tokens and the maps of the pyramid, which also sees every pixel and where the matches lie."""
        with self.products(channels.device):
            if not self.config.pyramid:
                return self.viewpoint_tokenizer(channels), []
            return self.pyramid.encoded(torch.cat([channels, grid.details(images)], dim=-1))

    def _image_tokens(
        self, cameras: Cameras, images: Float[Tensor, "view 3 height width"]
    ) -> Float[Tensor, "view token dim"]:
        """Return image tokens in the precision of the products, their only use; with gradients, in float32."""
        pixels = pixel_channels(cameras, self.config.image_channels, images)
        with self.products(images.device):
            tokens = self.image_tokenizer(pixels)
        return tokens if torch.is_grad_enabled() else tokens.to(self.precision)

    def _refined(self, tokens: Tensor, grid: Grid, shared: Shared) -> Iterator[Refined]:
        """Yield what there is before the first layer and after each; only tokens go from one to the next."""

        def gaussians(tokens: Tensor) -> list[Gaussians]:
            return self._gaussians(self._decoded(tokens, grid, shared.chunks)[1], shared)

        yield tokens, partial(gaussians, tokens)
        for number in range(1, len(self.layers) + 1):
            tokens = self._updated(number, tokens, shared)
            yield tokens, partial(gaussians, tokens)

    def _corrected(self, tokens: Tensor, grid: Grid, shared: Shared) -> Iterator[Refined]:
        """Yield what there is before the first layer and after each, which is told what is wrong with it."""
        features, pixels = self._decoded(tokens, grid, shared.chunks)
        del grid  # the pyramid's maps and the evidence have been read
        yield tokens, partial(self._gaussians, pixels, shared)
        for number, feedback in enumerate(self.feedback, start=1):
            assert isinstance(feedback, Feedback)
            look = Look.at(pixels, features, feedback, self._splat, shared)
            tokens = self._updated(number, tokens + look.gathered(), shared)
            pixels = look.changed(pixels, tokens)
            del look
            yield tokens, partial(self._gaussians, pixels, shared)

    def _decoded(self, tokens: Tensor, grid: Grid, chunks: Chunks) -> tuple[Tensor, Pixels]:
        """Return the features that the head reads of all pixels, and what it makes of them."""
        views = list(pieces(len(tokens), chunks.views))
        features = joined((self._features(tokens[v], grid[v]) for v in views), len(tokens))
        raw = joined((self._raw(features[v], grid.cameras.width) for v in views), len(tokens))
        if self.config.volume_planes:  # their choice is made once, so that the rest needs no more of the evidence
            grid = grid.at(Matches.concatenated([self._chosen(raw[v], grid[v]) for v in views]))
            raw = raw[..., : self.head.own_channels]
        return features, Pixels(raw, grid)

    def _gaussians(self, pixels: Pixels, shared: Shared) -> list[Gaussians]:
        """Return the Gaussians of each scene."""
        views = pieces(len(pixels.raw), shared.chunks.views)
        parts = [self._splat(pixels.raw[v], pixels.grid[v]) for v in views]
        gaussians = Gaussians.concatenated(*parts) if len(parts) > 1 else parts[0]
        count = len(gaussians) // shared.scenes
        return [gaussians[i * count : (i + 1) * count] for i in range(shared.scenes)]

    def _features(self, tokens: Tensor, grid: Grid) -> Tensor:
        """Return what the head reads: the tokens, or features of the pixels of the grid."""
        if not self.config.pyramid:
            return tokens
        with self.products(tokens.device):
            return self.pyramid.decoded(tokens, grid.maps).flatten(1, 2)

    def _raw(self, features: Tensor, width: int) -> Float[Tensor, "view height width raw"]:
        with self.products(features.device):
            return self.head(features, columns=width // self.head.patch).float()

    def _chosen(self, raw: Float[Tensor, "view height width raw"], grid: Grid) -> Matches:
        assert grid.matches is not None, "a volume needs the plane sweep"
        return self.head.chosen(raw, grid.matches)

    def _splat(self, raw: Float[Tensor, "view height width raw"], grid: Grid) -> Gaussians:
        return self.head.gaussians(raw, grid.cameras, grid.colors, grid.matches)

    def _backdrops(
        self, scenes: Sequence[Views], depth_ranges: Sequence[tuple[float, float]] | None
    ) -> list[Gaussians | None]:
        """Return what is drawn behind each scene where scenes are drawn; masked ones have nothing behind them."""
        if not (self.config.backdrop and self.feedback):
            return [None] * len(scenes)
        assert depth_ranges is not None, "a backdrop lies beyond the depth range of its scene"
        pairs = zip(scenes, depth_ranges, strict=True)
        return [backdrop(scene, far) if scene.content is None else None for scene, (_, far) in pairs]

    def _updated(self, number: int, tokens: Tensor, shared: Shared) -> Float[Tensor, "view token dim"]:
        """Return the viewpoint tokens after layer `number`, counted from 1; the residual stream stays in float32."""
        stage, clock = f"layer {number} of {len(self.layers)}", shared.clock
        shared.report(Step(stage, 0, 1))
        turn = self.read_turn + number - 1
        mini_batch = MiniBatch.turn(self.read_every, turn) if self.training else FULL
        layer, views = self.layers[number - 1], len(tokens) // shared.scenes
        with self.products(tokens.device):
            tokens = layer(tokens, shared.image_tokens, views, clock, self.checkpointing, mini_batch, shared.chunks)
        cross_ms, self_ms = clock.running_ms("cross"), clock.running_ms("self")
        shared.report(Step(stage, 1, 1, f"cross {cross_ms:.0f}, self {self_ms:.0f} ms so far"))
        return tokens


def _initialize(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        if not module.weight.is_meta:  # on meta tensors this has no effect, yet imports PyTorch's compiler: seconds
            nn.init.normal_(module.weight, std=INIT_STD)
    elif isinstance(module, (nn.LayerNorm, HeadNorm)):
        nn.init.ones_(module.weight)


def require_ilrm(network: Network) -> Ilrm:
    """Return a network that is an iLRM; raise InputError for others, which cannot do what is asked."""
    if not isinstance(network, Ilrm):
        raise InputError(f"this is done with iLRM models only, and the model is a {network.architecture}.")
    return network


ARCHITECTURE = Architecture(
    name=Ilrm.architecture,
    config=IlrmConfig,
    required=("head", "matching", "viewpoint_channels", "image_channels"),
    capabilities=capabilities_of,
    cost=cost_of,
    build=Ilrm,
    load_published=load_published,
)
