"""The suite `model`: one pass of the full-size and the default model, relative to the machine's limit and to baselines.

The full-size model has random weights and noise for views: speed depends on neither.
"""

from collections.abc import Callable
from dataclasses import replace

import torch

from ilrm_cli.bench.figures import Findings
from ilrm_cli.bench.reference import FullAttentionLayer, Reference
from ilrm_cli.bench.timing import ROUNDS, Job, Unit, matmul_time_of, measure
from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.geometry.gaussians import TENSORS, Gaussians
from ilrm_cli.geometry.transforms import Similarity
from ilrm_cli.geometry.views import Views
from ilrm_cli.models.base import Network, Pass
from ilrm_cli.models.checkpoint import load_model
from ilrm_cli.models.cost.flops import Tokens, forward_stages, full_attention_stages, total_flops
from ilrm_cli.models.ilrm.config import PRESETS, IlrmConfig
from ilrm_cli.models.ilrm.model import Ilrm
from ilrm_cli.models.layers.blocks import UpdateLayer
from ilrm_cli.models.layers.passes import WHOLE, AttentionClock, Chunks
from ilrm_cli.pipeline.predict import cleaned
from ilrm_cli.pipeline.prepare import Prepared
from ilrm_cli.runtime.devices import resolve_precision
from ilrm_cli.runtime.progress import Report, ignore

VIEWS, SIDE_PX = 8, 256  # input of both models
POINTS_PER_VIEW = 500  # sparse depths for the default model: about what structure from motion finds
DEPTHS = (1.0, 10.0)  # near, far

FLOPS_LIMIT = 1.3  # full model's time over that of its operations at the rate of the matrix product
REFERENCE_LIMIT = 0.4  # its time over the reference's, where the CPU multiplies bfloat16 faster
SECONDS_LIMIT = 1.0  # whole pass of the default model, where the CPU multiplies bfloat16 faster
CPU = torch.device("cpu")


def model_suite(*, rounds: int = ROUNDS, report: Report = ignore) -> Findings:
    """Time one pass of each model in the faster precision, beside what it is compared with."""
    precision = resolve_precision("auto", CPU)
    words = str(precision).removeprefix("torch.")
    config = PRESETS["dl3dv"].config
    full, views = Ilrm(config).eval(), noise_views(VIEWS, SIDE_PX, SIDE_PX, CPU)
    full.precision = precision
    reference = Reference(config).eval()
    reference.load_state_dict(full.state_dict())
    stages = {
        "update layer": forward_stages(config, VIEWS, SIDE_PX, SIDE_PX),
        "full attention": full_attention_stages(config, VIEWS, SIDE_PX, SIDE_PX),
    }
    flops = {name: total_flops(found) for name, found in stages.items()}
    scene = Prepared(_with_points(views), None, DEPTHS, Similarity.identity())
    default = load_model("default").model
    default.precision = precision
    default_flops = default.cost(Pass(VIEWS, SIDE_PX, SIDE_PX)).flops
    layer, full_attention = layers(config, VIEWS, SIDE_PX, precision)
    size = f"{VIEWS} views of {SIDE_PX}x{SIDE_PX}, {words}"
    name = f"iLRM, {PRESETS['dl3dv'].parameters / 1e6:.0f} M parameters, {size}"
    whole, whole_job = "default model from views to a clean scene", quietly(lambda: whole_pass(default, scene))
    fast = precision != torch.float32
    plain = Unit("the reference in float32", quietly(lambda: reference(views)))
    joint = Unit("a layer of full attention", full_attention)
    jobs = {
        name: Job(quietly(lambda: full([views])), FLOPS_LIMIT, matmul_time_of(flops["update layer"], precision)),
        f"{name}, beside the reference": Job(quietly(lambda: full([views])), REFERENCE_LIMIT if fast else None, plain),
        f"one update layer of it, {size}": Job(layer, unit=joint),
        f"{whole}, {size}": Job(
            whole_job,
            unit=matmul_time_of(default_flops, precision),
            limit_s=SECONDS_LIMIT if fast else None,
        ),
    }
    rows = measure(jobs, rounds=rounds, report=report)
    with torch.no_grad():
        difference = largest_difference(full([views])[0], reference(views))
    details = {
        "precision": words,
        "gflop": {"full": flops["update layer"] / 1e9, "default": default_flops / 1e9},
        "gflop_of_full_attention": flops["full attention"] / 1e9,
        "largest_difference_from_reference": difference,
    }
    return Findings(tuple(rows), details)


def whole_pass(model: Network, scene: Prepared, chunks: Chunks = WHOLE) -> object:
    """Do the work of `predict.predict`, without its clock."""
    return cleaned(model([scene.inputs], [scene.depth_range], chunks=chunks)[0], scene, model.capabilities)


def layers(
    config: IlrmConfig, views: int, side_px: int, precision: torch.dtype
) -> tuple[Callable[[], object], Callable[[], object]]:
    """Return jobs for one update layer on a scene of this size and for the full-attention layer it replaces."""
    tokens = Tokens.per_view(config, side_px, side_px)
    image_tokens = torch.randn(views, tokens.image, config.width).to(precision)
    viewpoints = torch.randn(views, tokens.viewpoint, config.width)
    together = torch.randn(1, views * (tokens.image + tokens.viewpoint), config.width)
    update = UpdateLayer(config.width, config.head_width, config.uplifting, config.mlp_ratio).eval()
    joint, clock = FullAttentionLayer(config).eval(), AttentionClock(CPU)
    return (
        quietly(lambda: update(viewpoints, image_tokens, views, clock), precision),
        quietly(lambda: joint(together), precision),
    )


def quietly(run: Callable[[], object], precision: torch.dtype = torch.float32) -> Callable[[], object]:
    """Wrap `run` to work without gradients, with matrix products in `precision` unless it chooses one itself."""

    def work() -> object:
        with torch.no_grad(), torch.autocast("cpu", precision, enabled=precision != torch.float32):
            return run()

    return work


def largest_difference(ours: Gaussians, theirs: Gaussians) -> dict[str, float]:
    """Return, per field, the largest difference over the largest absolute value of `theirs`."""
    pairs = zip(TENSORS, ours.tensors(), theirs.tensors(), strict=True)
    return {name: float((a - b).abs().max() / b.abs().max()) for name, a, b in pairs}


def _with_points(views: Views) -> Views:
    """Return the views with sparse depth at some pixels of each, as from structure from motion."""
    generator = torch.Generator().manual_seed(0)
    depth = torch.zeros_like(views.images[:, 0])
    for of_view in depth:
        chosen = torch.randperm(of_view.numel(), generator=generator)[:POINTS_PER_VIEW]
        of_view.view(-1)[chosen] = DEPTHS[0] + (DEPTHS[1] - DEPTHS[0]) * torch.rand(len(chosen), generator=generator)
    return replace(views, sparse_depth=depth)


def noise_views(count: int, width: int, height: int, device: torch.device) -> Views:
    """Return noise images from cameras side by side that look ahead, with a focal length of one image width."""
    pose = torch.eye(4).repeat(count, 1, 1)
    pose[:, 0, 3] = torch.linspace(-1, 1, count)
    focal = torch.full((count, 2), float(width))
    center = torch.tensor([width / 2, height / 2]).expand(count, 2)
    images = torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(0))
    return Views(images, Cameras(pose, focal, center, width, height)).to(device)
