"""Operations and memory traffic of one forward pass, stage by stage, from the configuration alone.

Matrix products and attention are counted, a multiply-add as two operations like in PyTorch's counter; norms, GELU,
softmax, rays and plane sweep are not. The paper (arXiv 2507.23277) counts a multiply-add as one: its 3.83 GFLOPs are
those of one view's cross attention and the MLP behind it in one layer.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from ilrm_cli.models.ilrm.config import IlrmConfig
from ilrm_cli.models.layers.feedback import SEEN_CHANNELS
from ilrm_cli.models.layers.gaussian_head import channel_split, channels_of

KERNEL = 9  # weights of a convolution between two channels

StageName = Literal[
    "viewpoint tokenizer",
    "pyramid",
    "image tokenizer",
    "cross q",
    "cross kv",
    "cross attention",
    "cross proj",
    "cross mlp",
    "self qkv",
    "self attention",
    "self proj",
    "self mlp",
    "head",
    "feedback",
]


@dataclass(frozen=True)
class Stage:
    """The work of one kind in a whole forward pass, over all layers and views."""

    name: StageName
    flops: float  # floating-point operations
    moved: float  # numbers read and written if each operand and result passes through memory once


@dataclass(frozen=True)
class Tokens:
    """Lengths of the two token sequences of one view."""

    viewpoint: int
    image: int

    @staticmethod
    def per_view(config: IlrmConfig, height: int, width: int) -> "Tokens":
        """Return the lengths for images of this size in px, both sides multiples of `config.size_multiple`."""
        image = (height // config.patch) * (width // config.patch)
        return Tokens(image // config.viewpoint_factor**2, image)


def forward_stages(
    config: IlrmConfig, views: int, height: int, width: int, group: int | None = None
) -> tuple[Stage, ...]:
    """Return every stage of one scene's pass, in order. `group`: self attention in groups of this many views."""
    per_view, d, layers = Tokens.per_view(config, height, width), config.width, config.layers
    own, image = views * per_view.viewpoint, views * per_view.image
    asked = d * config.uplifting
    viewpoint_channels, image_channels = embedded_channels(config)
    together = min(group or views, views) * per_view.viewpoint  # tokens that attend to each other
    raw = channels_of(config.head, config.estimates, config.volume_planes)
    cells = own * config.patch**2
    if config.pyramid:
        ends = (pyramid_stage(config, cells), _product("head", cells, config.pyramid.widths[0], raw))
    else:
        ends = (
            _product("viewpoint tokenizer", own, config.patch**2 * viewpoint_channels, d),
            _product("head", own, d, config.patch**2 * raw),
        )
    return (
        ends[0],
        _product("image tokenizer", image, config.patch**2 * image_channels, d),
        _product("cross q", own, d, asked, layers),
        _product("cross kv", image, d, 2 * d, layers),
        _attention("cross attention", own * config.uplifting, per_view.image, d, layers, all_keys=image),
        _product("cross proj", own, asked, d, layers),
        _mlp("cross mlp", own, config),
        _product("self qkv", own, d, 3 * d, layers),
        _attention("self attention", own, together, d, layers, all_keys=own),
        _product("self proj", own, d, d, layers),
        _mlp("self mlp", own, config),
        ends[1],
        *feedback_stages(config, cells),
    )


def full_attention_stages(config: IlrmConfig, views: int, height: int, width: int) -> tuple[Stage, ...]:
    """Return the stages of a variant with joint self attention over image and viewpoint tokens of all views.

    It has the same width, MLPs and tokenizers, and as many blocks of attention and MLP: two per update layer.
    """
    per_view, d, blocks = Tokens.per_view(config, height, width), config.width, 2 * config.layers
    tokens = views * (per_view.viewpoint + per_view.image)
    assert config.pyramid is None, "the variant is one of published models"
    ends = [stage for stage in forward_stages(config, views, height, width) if stage.name in _ENDS]
    return (
        *ends[:2],
        _product("self qkv", tokens, d, 3 * d, blocks),
        _attention("self attention", tokens, tokens, d, blocks, all_keys=tokens),
        _product("self proj", tokens, d, d, blocks),
        _mlp("self mlp", 2 * tokens, config),
        ends[2],
    )


_ENDS = ("viewpoint tokenizer", "image tokenizer", "head")


def pyramid_stage(config: IlrmConfig, cells: int) -> Stage:
    """Count the convolutions of the U-Net on grids of that many pixels in all; maps pass through memory each time."""
    assert config.pyramid
    widths, convolutions = config.pyramid.widths, 2 * config.pyramid.blocks * 2  # of a level: down and up
    rows, flops, moved = (
        cells,
        2.0 * cells * pyramid_channels(config) * widths[0],
        float(cells * pyramid_channels(config)),
    )
    for fine, coarse in zip(widths, (*widths[1:], config.width), strict=True):
        flops += 2.0 * rows * convolutions * KERNEL * fine**2
        flops += 2 * 2.0 * rows * fine * coarse  # to the next level, 4 pixels to one, and back
        moved += rows * fine * (2 * convolutions + 4)
        rows //= 4
    return Stage("pyramid", flops, moved)


def feedback_stages(config: IlrmConfig, cells: int) -> tuple[Stage, ...]:
    """Count the networks of the feedback; drawing is not counted."""
    if not (config.pyramid and config.pyramid.feedback):
        return ()
    widths, (told, own) = config.pyramid.widths, feedback_channels(config)
    one = told * widths[0] + 2 * KERNEL * widths[0] ** 2 + widths[0] * own
    moved = told + 6 * widths[0] + own
    for level, (fine, coarse) in enumerate(zip(widths, (*widths[1:], config.width), strict=True)):  # to tokens and back
        one += 2 * fine * coarse / 4**level
        moved += 4 * fine / 4**level
    return (Stage("feedback", 2.0 * cells * one * config.layers, float(cells * moved * config.layers)),)


def pyramid_channels(config: IlrmConfig) -> int:
    """Return the numbers per pixel of the grid that the pyramid sees: also all colours below it, and depths."""
    return embedded_channels(config)[0] + 3 * config.viewpoint_factor**2 + config.estimates


def feedback_channels(config: IlrmConfig) -> tuple[int, int]:
    """Return the numbers per pixel that a feedback reads, and those that it changes."""
    assert config.pyramid
    own = sum(channel_split(config.head, config.estimates, config.volume_planes)[:-1])
    return config.pyramid.widths[0] + 2 * own + SEEN_CHANNELS, own


def total_flops(stages: Iterable[Stage]) -> float:
    """Return the total of floating-point operations."""
    return sum(stage.flops for stage in stages)


def embedded_channels(config: IlrmConfig) -> tuple[int, int]:
    """Return the numbers per pixel embedded by a viewpoint token and by an image token."""
    evidence = config.estimates * config.matching.planes if config.matching else 0
    return 3 * len(config.viewpoint_channels) + evidence, 3 * len(config.image_channels)


def _product(name: StageName, rows: int, inner: int, columns: int, times: int = 1) -> Stage:
    """Count the product of rows with a weight matrix, done `times` times."""
    moved = rows * inner + inner * columns + rows * columns
    return Stage(name, 2.0 * rows * inner * columns * times, float(moved * times))


def _mlp(name: StageName, rows: int, config: IlrmConfig) -> Stage:
    """Count two products; their intermediate result is written and read."""
    hidden = config.width * config.mlp_ratio
    wide, narrow = (
        _product(name, rows, *sides, config.layers) for sides in ((config.width, hidden), (hidden, config.width))
    )
    return Stage(name, wide.flops + narrow.flops, wide.moved + narrow.moved)


def _attention(name: StageName, queries: int, keys: int, width: int, times: int, *, all_keys: int) -> Stage:
    """Count attention of queries to `keys` keys each, as two products; the attention weights never leave the cache."""
    return Stage(name, 4.0 * queries * keys * width * times, 2.0 * (queries + all_keys) * width * times)
