"""The iLRM network: viewpoint tokens, refined by reading images and exchange between views, become Gaussians."""

from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from ilrm_cli.geometry import cameras as camera_batches
from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.geometry.views import Views
from ilrm_cli.models.base import Architecture, Capabilities, Cost, Network, Pass, Tap
from ilrm_cli.models.ilrm.compiled import compile_layers
from ilrm_cli.models.ilrm.config import IlrmConfig
from ilrm_cli.models.ilrm.contract import capabilities_of, cost_of
from ilrm_cli.models.ilrm.published import load_published
from ilrm_cli.models.layers.blocks import FULL, HeadNorm, MiniBatch, UpdateLayer
from ilrm_cli.models.layers.gaussian_head import GaussianHead
from ilrm_cli.models.layers.passes import WHOLE, AttentionClock, Chunks, joined, pieces
from ilrm_cli.models.layers.plane_sweep import Matches, PlaneSweep
from ilrm_cli.models.layers.tokens import Tokenizer, pixel_channels
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.runtime.progress import Report, Step, ignore

INIT_STD = 0.02  # of every Linear's weights (released code)


class Ilrm(Network):
    """The Iterative Large 3D Reconstruction Model (arXiv 2507.23277).

    Data flow for V views of H x W px, patch p, viewpoint factor f, width d:

        rays at H/f x W/f (+ matching evidence) -> viewpoint tokens  [V, HW/(fp)², d]
        images and rays at H x W                -> image tokens      [V, HW/p², d]
        L times: cross attention per view, MLP, self attention over all views, MLP
        viewpoint tokens -> head                -> V (H/f)(W/f) Gaussians
    """

    architecture = "ilrm"

    def __init__(self, config: IlrmConfig):
        super().__init__()
        self.config = config
        evidence = config.matching.estimates * config.matching.planes if config.matching else 0
        estimates = config.matching.estimates if config.matching else 0
        self.viewpoint_tokenizer = Tokenizer(config.patch, 3 * len(config.viewpoint_channels) + evidence, config.width)
        self.image_tokenizer = Tokenizer(config.patch, 3 * len(config.image_channels), config.width)
        self.layers = nn.ModuleList(
            UpdateLayer(config.width, config.head_width, config.uplifting, config.mlp_ratio)
            for _ in range(config.layers)
        )
        self.head = GaussianHead(config.head, config.width, config.patch, estimates)
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
        views = list(pieces(len(images), chunks.views))
        factor = self.config.viewpoint_factor
        grid = cameras.resized(cameras.width // factor, cameras.height // factor)
        colors = avg_pool2d(images, factor)  # [B*V, 3, H/f, W/f]
        plain, matches = self._viewpoint_tokens(scenes, grid, colors, depth_ranges, chunks)
        image_tokens = joined((self._image_tokens(cameras[part], images[part]) for part in views), len(images))

        def decoded(tokens: Tensor) -> list[Gaussians]:
            parts = [self._decoded(tokens[v], grid[v], colors[v], matches[v] if matches else None) for v in views]
            gaussians = Gaussians.concatenated(*parts) if len(parts) > 1 else parts[0]
            count = len(gaussians) // len(scenes)
            return [gaussians[i * count : (i + 1) * count] for i in range(len(scenes))]

        updates = self._updates(plain, image_tokens, len(scenes), chunks, clock, report)
        del plain  # the layers release the tokens they have updated
        for tokens in updates:
            if tap:
                tap(tokens, decoded)
        return decoded(tokens)

    def _viewpoint_tokens(
        self,
        scenes: Sequence[Views],
        grid: Cameras,
        colors: Float[Tensor, "view 3 height width"],
        depth_ranges: Sequence[tuple[float, float]] | None,
        chunks: Chunks,
    ) -> tuple[Float[Tensor, "view token dim"], Matches | None]:
        """Return the initial viewpoint tokens of all views, which hold the evidence, and the depths of the matches."""
        depths: list[Matches] = []

        def parts() -> Iterator[Tensor]:
            for number, scene in enumerate(scenes):
                own = slice(number * len(scene), (number + 1) * len(scene))
                cameras, sweep = grid[own], None
                if self.config.matching is not None:
                    assert depth_ranges is not None, "a model with matching needs the depth range of each scene"
                    depth_range, matching = depth_ranges[number], self.config.matching
                    sweep = PlaneSweep.of(colors[own], cameras, depth_range, matching, scene.sparse_depth)
                for part in pieces(len(scene), chunks.views):
                    channels = pixel_channels(cameras[part], self.config.viewpoint_channels)
                    if sweep is not None:
                        swept = sweep.matches(part)
                        channels = torch.cat([channels, swept.agreement], dim=-1)
                        depths.append(swept.without_evidence())
                    yield self._tokenized(channels)

        tokens = joined(parts(), len(colors))
        return tokens, Matches.concatenated(depths) if depths else None

    def _tokenized(self, channels: Float[Tensor, "view height width channel"]) -> Float[Tensor, "view token dim"]:
        with self.products(channels.device):
            return self.viewpoint_tokenizer(channels)

    def _image_tokens(
        self, cameras: Cameras, images: Float[Tensor, "view 3 height width"]
    ) -> Float[Tensor, "view token dim"]:
        """Return image tokens in the precision of the products, their only use; with gradients, in float32."""
        pixels = pixel_channels(cameras, self.config.image_channels, images)
        with self.products(images.device):
            tokens = self.image_tokenizer(pixels)
        return tokens if torch.is_grad_enabled() else tokens.to(self.precision)

    def _decoded(self, tokens: Tensor, grid: Cameras, colors: Tensor, matches: Matches | None) -> Gaussians:
        with self.products(tokens.device):
            raw = self.head(tokens, columns=grid.width // self.config.patch)
        return self.head.gaussians(raw.float(), grid, colors, matches)

    def _updates(
        self, tokens: Tensor, image_tokens: Tensor, scenes: int, chunks: Chunks, clock: AttentionClock, report: Report
    ) -> Iterator[Float[Tensor, "view token dim"]]:
        """Yield the viewpoint tokens before the first layer and after each; the residual stream stays in float32."""
        tokens = tokens.float()
        yield tokens
        views = len(tokens) // scenes
        for number, layer in enumerate(self.layers, start=1):
            stage = f"layer {number} of {len(self.layers)}"
            report(Step(stage, 0, 1))
            turn = self.read_turn + number - 1
            mini_batch = MiniBatch.turn(self.read_every, turn) if self.training else FULL
            with self.products(tokens.device):
                tokens = layer(tokens, image_tokens, views, clock, self.checkpointing, mini_batch, chunks)
            cross_ms, self_ms = clock.running_ms("cross"), clock.running_ms("self")
            report(Step(stage, 1, 1, f"cross {cross_ms:.0f}, self {self_ms:.0f} ms so far"))
            yield tokens


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
