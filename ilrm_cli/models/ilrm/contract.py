"""What an iLRM tells of itself from its configuration alone: capabilities, and what a pass costs."""

from collections.abc import Iterator

from ilrm_cli.geometry.views import TrainingRange
from ilrm_cli.models.base import Capabilities, Cost, Pass, Piecewise
from ilrm_cli.models.cost.flops import Tokens, forward_stages, total_flops
from ilrm_cli.models.cost.footprint import Workload, footprint
from ilrm_cli.models.ilrm.config import IlrmConfig
from ilrm_cli.models.layers.passes import Chunks

PIECE_TOKENS = {"cpu": 1 << 13, "cuda": 1 << 16}  # image tokens of a usual chunk: more are not faster on any device
LEAST_TOKENS = 1 << 8  # minimum of a chunk: products of smaller matrices are slow


def capabilities_of(config: IlrmConfig) -> Capabilities:
    """Return what a model of this configuration can do; those without matching stay as their authors published them."""
    ours = config.matching is not None
    return Capabilities(
        trained_on=TrainingRange((config.min_views, config.max_views), config.fov_deg, config.baseline_to_depth),
        long_side_px=config.long_side_px,
        size_multiple=config.size_multiple,
        normalisation="recentred" if ours else "raw",
        grid_factor=config.viewpoint_factor,
        cleaned=ours,
        backdrop=config.backdrop,
        sweeps=ours,
        draws=config.pyramid is not None and config.pyramid.feedback,
        traced_layers=config.layers,
    )


def cost_of(config: IlrmConfig, asked: Pass) -> Cost:
    """Return operations and memory of a pass, see `models.cost`."""
    load = Workload(config, asked.views, asked.height, asked.width, asked.precision, asked.device)
    whole = footprint(load)
    in_chunks = ((chunks, footprint(load, chunks)) for chunks in _chunk_sizes(load))
    return Cost(
        flops=total_flops(forward_stages(config, asked.views, asked.height, asked.width)),
        weights_bytes=whole.weights,
        inputs_bytes=whole.inputs,
        ways=tuple(Piecewise(chunks, held.work, held.stage) for chunks, held in in_chunks),
    )


def _chunk_sizes(load: Workload) -> Iterator[Chunks]:
    """Yield chunk sizes from the usual to the smallest.

    The usual ones are taken wherever they fit, so that results do not depend on other programs. Sizes are powers of
    two, with which matrix products mostly give the same numbers to the last bit.
    """
    per_view = Tokens.per_view(load.config, load.height, load.width)
    tokens = PIECE_TOKENS[load.device]
    while tokens >= LEAST_TOKENS:
        views = 1 << max(0, (tokens // per_view.image).bit_length() - 1)
        yield Chunks(views, tokens // load.config.viewpoint_factor**2)
        tokens //= 2
