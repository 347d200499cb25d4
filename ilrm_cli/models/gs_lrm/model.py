"""The GS-LRM network: patches of all views attend to each other; each becomes the Gaussians of its pixels."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.geometry.views import TrainingRange
from ilrm_cli.models.base import Architecture, Capabilities, Cost, Pass
from ilrm_cli.models.cost.sequence import cost_of as cost_of_stages
from ilrm_cli.models.cost.sequence import gaussian_head, pixel_tokens, transformer_block
from ilrm_cli.models.gs_lrm.config import GsLrmConfig
from ilrm_cli.models.gs_lrm.published import load_published, recognises
from ilrm_cli.models.layers.gaussian_head import GaussianHead
from ilrm_cli.models.layers.tokens import patchify, pixel_channels
from ilrm_cli.models.layers.transformer import TransformerBlock, initialize, learned
from ilrm_cli.models.patches import Batch, Layer, PatchNetwork, parameters_in


def capabilities_of(config: GsLrmConfig) -> Capabilities:
    """Return what a model of this configuration can do."""
    return Capabilities(
        trained_on=TrainingRange((config.min_views, config.max_views), config.fov_deg, config.baseline_to_depth),
        long_side_px=config.long_side_px,
        size_multiple=config.size_multiple,
        normalisation="centred" if config.head.depth == "centred" else "recentred",
        grid_factor=None if config.free else 1,
    )


def cost_of(config: GsLrmConfig, asked: Pass) -> Cost:
    """Return operations and memory of a pass."""
    pixels = asked.views * asked.height * asked.width
    tokens = pixels // config.patch**2 + config.free
    block = transformer_block(1, tokens, config.width, config.mlp_ratio)
    stages = {
        "tokens": [pixel_tokens(pixels, config.patch, 3 * len(config.channels), config.width)],
        "blocks": [block] * config.layers,
        "head": [gaussian_head(pixels, config.patch, config.width, config.head)],
    }
    if config.free:
        stages["free"] = [gaussian_head(config.free, 1, config.width, config.head)]
    return cost_of_stages(asked, stages, parameters_in(GsLrm, config))


class GsLrm(PatchNetwork):
    """The Gaussian large reconstruction model (arXiv 2404.19702, section 3).

        images and rays -> tokens       [scene, V HW/p², d], in front the free ones
        L times: self attention over all views, MLP
        tokens -> head                  -> V H W Gaussians, then the free ones

    A permutation of the views permutes the Gaussians: nothing tells the network which view is first.
    """

    architecture = "gs-lrm"

    def __init__(self, config: GsLrmConfig):
        super().__init__(config)
        width = config.width
        self.tokenizer = nn.Linear(config.patch**2 * 3 * len(config.channels), width, bias=False)
        self.entry_norm = nn.LayerNorm(width, bias=False) if config.entry_norm else nn.Identity()
        self.blocks = nn.ModuleList(
            TransformerBlock(width, config.head_width, config.mlp_ratio) for _ in range(config.layers)
        )
        self.head = GaussianHead(config.head, width, config.patch)
        self.apply(initialize)
        if config.free:
            self.free_tokens = learned(config.free, width)
            self.free_head = GaussianHead(config.head, width, 1)

    @property
    def capabilities(self) -> Capabilities:
        return capabilities_of(self.config)

    def cost(self, asked: Pass) -> Cost:
        return cost_of(self.config, asked)

    def embedded(self, batch: Batch) -> Float[Tensor, "scene token dim"]:
        channels = pixel_channels(batch.cameras, self.config.channels, batch.images)
        tokens = batch.joined(self.tokenizer(patchify(channels, self.config.patch)))
        if self.config.free:
            tokens = torch.cat([self.free_tokens.to(tokens.dtype).expand(batch.scenes, -1, -1), tokens], dim=1)
        return self.entry_norm(tokens)

    def layers_for(self, batch: Batch) -> Sequence[Layer]:
        return tuple(self.blocks)

    def decoded(self, tokens: Float[Tensor, "scene token dim"], batch: Batch) -> list[Gaussians]:
        free, of_pixels = tokens.split([self.config.free, tokens.shape[1] - self.config.free], dim=1)
        with self.products(tokens.device):
            raw = self.head(batch.parted(of_pixels), columns=batch.grid(self.config.patch)[1])
            raw_free = self.free_head(free, columns=1) if self.config.free else None
        scenes = batch.scenes_of(self.head.gaussians(raw.float(), batch.cameras, batch.images, None, batch.ranges))
        if raw_free is None:
            return scenes
        free_scenes = (self.free_head.free_gaussians(one.flatten(0, 1)) for one in raw_free.float())
        return [Gaussians.concatenated(scene, extra) for scene, extra in zip(scenes, free_scenes, strict=True)]


ARCHITECTURE = Architecture(
    name=GsLrm.architecture,
    config=GsLrmConfig,
    required=("head", "channels"),
    capabilities=capabilities_of,
    cost=cost_of,
    build=GsLrm,
    load_published=load_published,
    recognises=recognises,
)
