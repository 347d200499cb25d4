"""The Long-LRM network: scans with some attention between them read the tokens of many views in near-linear time."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.geometry.views import TrainingRange
from ilrm_cli.models.base import Architecture, Capabilities, Cost, Pass
from ilrm_cli.models.cost.sequence import Held, gaussian_head, linear, mamba_block, pixel_tokens, transformer_block
from ilrm_cli.models.cost.sequence import cost_of as cost_of_stages
from ilrm_cli.models.layers.config import Channel
from ilrm_cli.models.layers.gaussian_head import GaussianHead
from ilrm_cli.models.layers.state_space import MambaBlock
from ilrm_cli.models.layers.tokens import patchify, pixel_channels
from ilrm_cli.models.layers.transformer import TransformerBlock, learned
from ilrm_cli.models.long_lrm.config import LongLrmConfig
from ilrm_cli.models.long_lrm.published import load_published, recognises
from ilrm_cli.models.patches import Batch, Layer, PatchNetwork, parameters_in

CHANNELS: tuple[Channel, ...] = ("color", "moment", "direction")
VISIBLE = 1e-3  # opacity below which a Gaussian is not kept in files
RANDOM_PART = 0.1  # of the kept Gaussians in training: others get a gradient too (4 % of 40 %)
MERGED = 2  # tokens per side that become one


def capabilities_of(config: LongLrmConfig) -> Capabilities:
    """Return what a model of this configuration can do."""
    return Capabilities(
        trained_on=TrainingRange((config.min_views, config.max_views), config.fov_deg, config.baseline_to_depth),
        long_side_px=config.long_side_px,
        size_multiple=config.size_multiple,
        grid_factor=1 if config.kept == 1 else None,
    )


def cost_of(config: LongLrmConfig, asked: Pass) -> Cost:
    """Return operations and memory of a pass."""
    pixels = asked.views * asked.height * asked.width
    blocks, tokens = [], pixels // config.patch**2
    for number, kind in enumerate(config.blocks):
        width = config.width_of(number)
        if number in config.merges:
            tokens //= MERGED**2
            narrow = config.width_of(number - 1)
            merged = linear(tokens, MERGED**2, width) + linear(config.globals, narrow, width)
            blocks.append(Held(merged, tokens * (MERGED**2 * narrow + width), tokens * width))
        if kind == "t":
            blocks.append(transformer_block(1, tokens + config.globals, width, config.mlp_ratio))
        else:
            sizes = (config.state, config.scan_head_width, config.expansion)
            blocks.append(mamba_block(tokens + config.globals, width, *sizes))
    stages = {
        "tokens": [pixel_tokens(pixels, config.patch, 3 * len(CHANNELS), config.widths[0])],
        "blocks": blocks,
        "head": [gaussian_head(pixels, config.last_patch, config.widths[-1], config.head)],
    }
    return cost_of_stages(asked, stages, parameters_in(LongLrm, config))


class Merge(nn.Module):
    """2x2 tokens of a view become one by a grouped convolution; global tokens are resized (paper, section 3.3)."""

    def __init__(self, before: int, after: int, globals: int):
        super().__init__()
        self.merge = nn.Conv2d(before, after, MERGED, stride=MERGED, groups=before)
        self.resize = nn.Linear(before, after) if globals else None

    def forward(
        self, tokens: Float[Tensor, "scene token dim"], globals: int, views: int, rows: int
    ) -> Float[Tensor, "scene merged wide"]:
        first, of_images = tokens[:, :globals], tokens[:, globals:]
        grid = of_images.unflatten(1, (views, rows, -1)).flatten(0, 1).permute(0, 3, 1, 2)  # [B*V, d, h, w]
        merged = self.merge(grid).flatten(2).transpose(1, 2)  # [B*V, hw/4, d']
        together = merged.unflatten(0, (len(tokens), -1)).flatten(1, 2)
        return together if self.resize is None else torch.cat([self.resize(first), together], dim=1)


class LongLrm(PatchNetwork):
    """The long-sequence large reconstruction model (arXiv 2410.12781, section 3).

        global tokens, images and rays -> tokens, norm  [scene, 2 + V HW/p², d]
        L times: scan in both directions, or attention and MLP; before some, 2x2 tokens become one
        image tokens -> head                            -> V H W Gaussians, of which the most opaque are kept

    Scans have an order, so that a permutation of the views gives another scene.
    """

    architecture = "long-lrm"

    def __init__(self, config: LongLrmConfig):
        super().__init__(config)
        if len(config.widths) != len(config.merges) + 1:
            raise ValueError(f"{len(config.widths)} widths and {len(config.merges)} merges: one width more is needed")
        if list(config.merges) != sorted(set(config.merges)) or max(config.merges, default=0) >= len(config.blocks):
            raise ValueError(f"merges before blocks {config.merges} of {len(config.blocks)}")
        first = config.widths[0]
        if config.globals:
            self.global_tokens = learned(1, config.globals, first)
        self.tokenizer = nn.Linear(config.patch**2 * 3 * len(CHANNELS), first, bias=False)
        self.entry_norm = nn.LayerNorm(first, bias=False)
        self.blocks = nn.ModuleList(self._block(kind, config.width_of(n)) for n, kind in enumerate(config.blocks))
        self.merges = nn.ModuleList(Merge(a, b, config.globals) for a, b in pairwise(config.widths))
        self.head = GaussianHead(config.head, config.widths[-1], config.last_patch)

    def _block(self, kind: str, width: int) -> nn.Module:
        c = self.config
        if kind == "t":
            return TransformerBlock(width, c.head_width, c.mlp_ratio)
        return MambaBlock(width, c.state, c.scan_head_width, c.expansion, c.taps)

    @property
    def capabilities(self) -> Capabilities:
        return capabilities_of(self.config)

    def cost(self, asked: Pass) -> Cost:
        return cost_of(self.config, asked)

    def embedded(self, batch: Batch) -> Float[Tensor, "scene token dim"]:
        channels = pixel_channels(batch.cameras, CHANNELS, batch.images)
        tokens = batch.joined(self.tokenizer(patchify(channels, self.config.patch)))
        if self.config.globals:
            tokens = torch.cat([self.global_tokens.to(tokens.dtype).expand(batch.scenes, -1, -1), tokens], dim=1)
        return self.entry_norm(tokens)

    def layers_for(self, batch: Batch) -> Sequence[Layer]:
        return [self._layer(number, batch) for number in range(len(self.blocks))]

    def _layer(self, number: int, batch: Batch) -> Layer:
        """Return what is done with the tokens in this block, the merge before it included."""

        def layer(tokens: Tensor) -> Tensor:
            return self.blocks[number](self.merged(tokens, number, batch))

        return layer

    def merged(self, tokens: Tensor, number: int, batch: Batch) -> Float[Tensor, "scene token dim"]:
        """Return the tokens that enter block `number`: a quarter of those of the images, if there is a merge."""
        if number not in self.config.merges:
            return tokens
        merge = self.config.merges.index(number)
        rows = batch.grid(self.config.patch << merge)[0]
        return self.merges[merge](tokens, self.config.globals, batch.views, rows)

    def decoded(self, tokens: Float[Tensor, "scene token dim"], batch: Batch) -> list[Gaussians]:
        return [self.pruned(scene) for scene in self.all_gaussians(tokens, batch)]

    def all_gaussians(self, tokens: Float[Tensor, "scene token dim"], batch: Batch) -> list[Gaussians]:
        """Return one Gaussian per pixel, of each scene."""
        with self.products(tokens.device):
            of_pixels = batch.parted(tokens[:, self.config.globals :])
            raw = self.head(of_pixels, columns=batch.grid(self.config.last_patch)[1])
        return batch.scenes_of(self.head.gaussians(raw.float(), batch.cameras, batch.images, None, batch.ranges))

    def pruned(self, scene: Gaussians) -> Gaussians:
        """Return the most opaque Gaussians (paper, section 3.4); in training some others too, at random.

        The released code draws some at random in evaluation as well; here the same photos give the same scene.
        """
        if self.config.kept == 1:
            return scene
        count = int(self.config.kept * len(scene))
        drawn = round(RANDOM_PART * count) if self.training else 0
        order = scene.opacities.argsort(descending=True, stable=True)
        chosen, rest = order[: count - drawn], order[count - drawn :]
        if drawn:
            chosen = torch.cat([chosen, rest[torch.randperm(len(rest), device=rest.device)[:drawn]]])
        elif not scene.opacities.is_meta:
            chosen = chosen[scene.opacities[chosen] > VISIBLE]
        return scene[chosen.sort().values]


ARCHITECTURE = Architecture(
    name=LongLrm.architecture,
    config=LongLrmConfig,
    required=("blocks", "widths", "merges", "head"),
    capabilities=capabilities_of,
    cost=cost_of,
    build=LongLrm,
    load_published=load_published,
    recognises=recognises,
)
