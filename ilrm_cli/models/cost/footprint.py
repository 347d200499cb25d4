"""Peak memory of one forward pass, from the configuration alone.

Follows the pass stage by stage as `models.ilrm.model.Ilrm` does it without gradients: what persists (tokens, Gaussians)
and what each stage holds besides, in bytes. Meant as a tight upper bound. Small parts that do not depend on the views
are left to the caller's margin.
"""

from dataclasses import dataclass

import torch

from ilrm_cli.models.cost.flops import Tokens, embedded_channels, feedback_channels, pyramid_channels
from ilrm_cli.models.cost.parameters import parameters
from ilrm_cli.models.ilrm.config import IlrmConfig
from ilrm_cli.models.layers.gaussian_head import channels_of
from ilrm_cli.models.layers.passes import WHOLE, Chunks

FLOAT = 4  # bytes of float32 data: rays, residual stream, Gaussians
GAUSSIAN_FLOATS = 14  # mean, quaternion, scale, opacity, harmonics of degree 0
RAY_FLOATS = 4  # per pixel while making its channels, besides two copies of these (joined, and in patch order)
CAMERA_BYTES = 128  # per view: its camera on the viewpoint grid
# Floats per Gaussian while decoding: offset, ray and its predecessor, distances, quaternions.
DECODED_FLOATS = 24
# Matching, in floats. Per pixel of all views: colour, local contrast, their making, and padding for the CPU.
FEATURE_FLOATS = 4 * 3 + 8
# Per pixel of one view and plane: two statistics, once more reordered, and the estimates from them and from points.
COST_FLOATS = 4 * 2 + 2
# Per pixel of one view, plane and neighbour in `plane_sweep.warp_costs` (not on CPUs): its position in the neighbour (3
# and 2), six channels warped, subtracted and made positive, and a mask.
WARP_FLOATS = 3 + 2 + 3 * 6 + 1
MAP_COPIES = 5  # of a pyramid's finest map while a level is computed: it, the block's own, and reordered ones
# Per pixel of the grid while the scene is drawn into its inputs: Gaussians, their graph and gradients, projections and
# the lists of what lies in each tile.
DRAWN_FLOATS = 160
TOLD_COPIES = 3  # of what a feedback reads: collected, reordered, and its gradient before
WITNESS_BYTES = 96  # per Gaussian while other views are consulted (`predict.witnesses`)


@dataclass(frozen=True)
class Workload:
    """The size of a pass."""

    config: IlrmConfig
    views: int
    height: int  # px
    width: int  # px
    precision: torch.dtype = torch.float32  # of the matrix products
    device: str = "cpu"  # device type: matching works differently on CPUs


@dataclass(frozen=True)
class Footprint:
    """Bytes held at the moment of peak memory."""

    weights: int
    inputs: int  # the images
    work: int  # everything else
    stage: str  # of the peak

    @property
    def total(self) -> int:
        return self.weights + self.inputs + self.work


def footprint(load: Workload, chunks: Chunks = WHOLE) -> Footprint:
    """Return the peak memory of a pass in these chunks."""
    sizes = _Sizes.of(load, chunks)
    held = {stage: sum(parts) for stage, parts in _stages(sizes).items()}
    stage = max(held, key=held.__getitem__)
    weights = parameters(load.config) * FLOAT
    return Footprint(weights, load.views * load.height * load.width * 3 * FLOAT, int(held[stage]), stage)


@dataclass(frozen=True)
class _Sizes:
    """Counts of the whole scene and of one chunk."""

    config: IlrmConfig
    b: int  # bytes per number in matrix products
    d: int  # channels of a token
    pixels: int  # of all images
    cells: int  # of all viewpoint grids, one Gaussian each
    asking: int  # viewpoint tokens of all views
    asked: int  # image tokens of all views
    share: float  # share of the views in one chunk
    tokens: int  # viewpoint tokens in one chunk
    views: int
    gpu: bool

    @staticmethod
    def of(load: Workload, chunks: Chunks) -> "_Sizes":
        per_view = Tokens.per_view(load.config, load.height, load.width)
        pixels = load.views * load.height * load.width
        asking = load.views * per_view.viewpoint
        return _Sizes(
            config=load.config,
            b=torch.finfo(load.precision).bits // 8,
            d=load.config.width,
            pixels=pixels,
            cells=pixels // load.config.viewpoint_factor**2,
            asking=asking,
            asked=load.views * per_view.image,
            share=min(chunks.views or load.views, load.views) / load.views,
            tokens=min(chunks.tokens or asking, asking),
            views=load.views,
            gpu=load.device != "cpu",
        )

    @property
    def stream(self) -> int:
        """Bytes of the viewpoint tokens."""
        return FLOAT * self.asking * self.d

    @property
    def cast(self) -> int:
        """Extra bytes per float32 number that enters a matrix product in another precision."""
        return 0 if self.b == FLOAT else self.b

    @property
    def norming(self) -> int:
        """Extra bytes per number in `blocks.HeadNorm`, which works in place on CPUs, in float32."""
        return self.b if self.gpu else self.cast and FLOAT + self.b


def _stages(s: _Sizes) -> dict[str, tuple[float, ...]]:
    """Return what each stage holds, part by part. A layer's input is held by its caller until the layer is done."""
    colors = 3 * FLOAT * s.cells + CAMERA_BYTES * s.views
    image_tokens = s.b * s.asked * s.d
    depths = FLOAT * s.cells * (s.config.estimates + _pyramid_floats(s.config))
    kept: tuple[float, ...] = (colors, image_tokens, depths)
    if s.config.pyramid:
        encoding, decoding = _encoding(s, depths), _decoding(s)
    else:
        head = s.config.patch**2 * channels_of(s.config.head, s.config.estimates)
        encoding, decoding = _tokenizing(s, 0), _head(s, head)
    stages = {
        "viewpoint tokens": (colors, depths, encoding, _sweep(s)),
        "image tokens": (colors, depths, s.stream, _tokenizing(s, 1)),
        "head": (*kept, s.stream, decoding),
    }
    if s.config.pyramid and s.config.pyramid.feedback:  # the head comes before the layers, and ends what it has read
        stages["looks"] = (colors, image_tokens, s.stream, _looking(s))
        kept = (colors, image_tokens, _looked(s))
    return {
        **stages,
        "cross attention": (*kept, s.stream, _joining(s.share, s.stream), _cross(s)),
        "MLP": (*kept, 2 * s.stream, _joining(s.tokens / s.asking, s.stream), _mlp(s)),
        "self attention": (*kept, 2 * s.stream, _self(s)),
        "cleaning": (2 * FLOAT * GAUSSIAN_FLOATS * s.cells, depths and WITNESS_BYTES * s.cells),
    }


def _joining(share: float, whole: float) -> float:
    """Return the extra bytes while a chunk with this share is made: the whole, and the previous chunk."""
    return 0.0 if share == 1 else (1 + share) * whole


def _tokenizing(s: _Sizes, kind: int) -> float:
    """Return the peak of: pixel channels, these in patch order and embedded, and tokens before and after the norm."""
    channels = embedded_channels(s.config)[kind]
    all_pixels, all_tokens = ((s.cells, s.asking), (s.pixels, s.asked))[kind]
    whole = (FLOAT, s.b)[kind] * all_tokens * s.d
    pixels, tokens = s.share * all_pixels, s.share * all_tokens * s.d
    making = FLOAT * pixels * (2 * channels + RAY_FLOATS)
    weights = s.cast * s.config.patch**2 * channels * s.d
    embedding = (2 * FLOAT + s.cast) * pixels * channels + s.b * tokens + weights
    norming = FLOAT * pixels * channels + (s.b + FLOAT + (s.cast and FLOAT)) * tokens
    return _joining(s.share, whole) + max(making, embedding, norming)


def _pyramid_floats(config: IlrmConfig) -> float:
    """Return what decoding needs of each pixel of the grid: maps of all levels, and the evidence of a volume."""
    if not config.pyramid:
        return 0.0
    maps = sum(width / 4**level for level, width in enumerate(config.pyramid.widths))
    return maps + config.volume_planes * config.estimates


def _encoding(s: _Sizes, kept: float) -> float:
    """Return the peak of a chunk in the encoder, and of chunks while they are joined to all that is kept."""
    assert s.config.pyramid
    finest = s.config.pyramid.widths[0]
    channels = 2 * pyramid_channels(s.config) + RAY_FLOATS
    making = s.share * s.cells * (FLOAT * channels + MAP_COPIES * s.b * finest)
    return max(making, 0.0 if s.share == 1 else kept) + s.stream


def _decoding(s: _Sizes) -> float:
    """Return the peak of: features, raw numbers, a chunk in the decoder or its choice, and Gaussians."""
    assert s.config.pyramid
    finest, raw = s.config.pyramid.widths[0], channels_of(s.config.head, s.config.estimates, s.config.volume_planes)
    features = s.b * s.cells * finest
    decoder = features + s.share * s.cells * MAP_COPIES * s.b * finest
    choosing = FLOAT * s.cells * (2 * raw + s.share * 4 * s.config.volume_planes)
    return max(decoder, features + choosing, features + FLOAT * s.cells * feedback_channels(s.config)[1] + _splat(s))


def _splat(s: _Sizes) -> float:
    return FLOAT * s.cells * (2 * GAUSSIAN_FLOATS + DECODED_FLOATS)


def _looked(s: _Sizes) -> float:
    """Return what is kept of the pixels while a layer runs: features, what they are told, numbers, gradients, depth."""
    assert s.config.pyramid
    own = feedback_channels(s.config)[1]
    return s.cells * (2 * s.b * s.config.pyramid.widths[0] + FLOAT * (2 * own + 1))


def _looking(s: _Sizes) -> float:
    """Return the peak of a look, beside what it leaves: drawing, telling a chunk of views, changing it, Gaussians."""
    assert s.config.pyramid
    finest, (told, own) = s.config.pyramid.widths[0], feedback_channels(s.config)
    drawing = FLOAT * s.cells * (DRAWN_FLOATS + 4 * own)
    telling = s.share * s.cells * (FLOAT * TOLD_COPIES * told + MAP_COPIES * s.b * finest)
    return _looked(s) + max(drawing, telling + FLOAT * s.cells * 2 * own, _splat(s))


def _sweep(s: _Sizes) -> float:
    """Return the bytes of matching one view, plus the chunk's evidence."""
    matching = s.config.matching
    if matching is None:
        return 0.0
    neighbors = min(matching.neighbors, s.views - 1)
    of_plane = COST_FLOATS + (WARP_FLOATS * neighbors if s.gpu else 0)
    one_view = s.cells / s.views * of_plane * matching.planes
    evidence = matching.planes * matching.estimates * s.share * s.cells
    return FLOAT * (one_view + evidence + FEATURE_FLOATS * s.cells)


def _cross(s: _Sizes) -> float:
    """Return the peak of: queries, keys and their norms, results, the sum; weights permuted for queries and results.

    On GPUs another set of queries and keys is added, which kernels may copy.
    """
    asking, asked = s.share * s.asking * s.d, s.share * s.asked * s.d
    questions, per_head = asking * s.config.uplifting, 2 * FLOAT / s.config.head_width
    weights = ((FLOAT if s.config.uplifting > 1 else 0) + s.cast) * s.d**2 * s.config.uplifting
    copies = s.b * (questions + asked) if s.gpu else 0
    asking_them = weights + max((FLOAT + s.cast) * asking, (s.norming + per_head) * questions) + s.b * questions
    offering = s.b * (questions + 2 * asked) + max((s.norming + per_head) * asked, s.cast * s.d**2)
    answering = s.b * (2 * questions + 2 * asked + asking) + per_head * questions + weights + copies
    return max(asking_them, offering, answering, (s.b + FLOAT) * asking)


def _mlp(s: _Sizes) -> float:
    """Return the peak of: normed and hidden tokens, hidden ones before and after GELU, the result and the sum."""
    ratio = s.config.mlp_ratio
    turns = (FLOAT + s.cast + ratio * s.b, 2 * ratio * s.b, ratio * s.b + s.b, s.b + FLOAT)
    return s.tokens * s.d * max(turns) + s.cast * s.d**2 * ratio


def _self(s: _Sizes) -> float:
    """Return the peak of self attention, in one go or with keys and values first and then chunk by chunk.

    The peak is over normed tokens, norms of queries and keys, results, and the sum. Previous chunks are still held.
    """
    tokens, whole, per_head = s.tokens * s.d, s.asking * s.d, 2 * FLOAT / s.config.head_width
    apart = s.b if s.gpu or s.cast else 0  # normed queries or keys, unless done in place
    first, norms = FLOAT + s.cast, s.norming + per_head
    if s.tokens == s.asking:
        turns = (3 * s.b + first, 3 * s.b + apart + norms, 3 * s.b + 2 * apart + 2 * s.b + per_head, s.b + FLOAT)
        return whole * max(turns) + 3 * s.cast * s.d**2
    keys = tokens * (2 * s.b + apart + 2 * s.b + max(first, norms))
    answers = FLOAT * whole + tokens * max(2 * s.b + max(first, norms), s.b + 2 * s.b + per_head + 2 * apart)
    return max(2 * s.b * whole + max(keys, answers) + 2 * s.cast * s.d**2, 2 * FLOAT * whole)


def _head(s: _Sizes, raw: int) -> float:
    """Return the peak of: normed tokens, raw numbers in and out of patches, in float32, decoded; Gaussians, joined.

    A chunk's Gaussians keep its raw numbers alive, which may be their colours.
    """
    gaussians = FLOAT * GAUSSIAN_FLOATS * s.cells
    normed = s.asking * (s.d * (FLOAT + s.cast) + s.b * raw) + s.cast * s.d * raw / s.share
    decoded = s.asking * raw * (s.b + (s.cast and FLOAT)) + FLOAT * DECODED_FLOATS * s.cells + gaussians
    piece = s.share * max(normed, 2 * s.b * s.asking * raw, decoded)
    parts = gaussians + FLOAT * s.asking * raw
    return piece if s.share == 1 else max((1 - s.share) * parts + piece, parts + gaussians)
