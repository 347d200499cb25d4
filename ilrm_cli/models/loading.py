"""A model made ready for any number of scenes: loaded, on its device, and with all that it needs compiled.

PyTorch's compiler makes the update layers on request, for inference: what lies between the attentions and the sums,
that is norms, projections and MLPs. Attention keeps its own kernels, which the device has chosen, the clock stays
outside, and so do chunks: each region takes any number of tokens, so that it is compiled once for all layers, chunks
and scenes. Neither CUDA graphs (mode "reduce-overhead") nor matrix products chosen by trial ("max-autotune") are used:
graphs keep memory that the planner knows nothing of and copy what goes into them; another choice gives other bits, and
a scene could not be made again.

Measured (`ilrm bench compiled`, 2 quiet cores with AVX2, float32, 8 views of 256 px): a pass of the default model takes
0.96 of its time, one of the full-size model 1.02. Compiling takes 20 to 35 s once and, with kept code, about ten
seconds in every process after: on such a CPU it hardly pays. Not measured on GPUs.
"""

import time

import torch
from torch import nn

from ilrm_cli.models.checkpoint import LoadedModel, load_model
from ilrm_cli.models.ilrm.model import Ilrm
from ilrm_cli.models.layers.blocks import CrossAttention, Mlp, SelfAttention
from ilrm_cli.models.layers.passes import AttentionClock, Chunks
from ilrm_cli.models.layers.plane_sweep import prepare_sweep
from ilrm_cli.render.rasterize import prepare, renderer_for
from ilrm_cli.runtime.cache import keep_compiled_layers
from ilrm_cli.runtime.devices import Device, Precision, resolve_device, resolve_precision
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.runtime.progress import Report, Step, Stopwatch, ignore

REGIONS: dict[type[nn.Module], tuple[str, ...]] = {
    CrossAttention: ("asked", "offered"),
    SelfAttention: ("normed",),
    Mlp: ("forward",),
}
STAGE = "compiling layers"
# Of the scene used for compiling: the compiler specialises on sizes 0 and 1 only.
VIEWS, TOKENS = 2, 4


def ready_model(
    model: str,
    device: Device,
    precision: Precision,
    *,
    compiled: bool,
    gradients: bool,
    sweeps: bool = False,
    report: Report = ignore,
    watch: Stopwatch | None = None,
) -> LoadedModel:
    """Load the model of that name or file, with layers `compiled` on request, and compile the kernels it needs.

    These are the renderer's, with `gradients` if scenes are refined, and the plane sweep's, if the model has matching
    or if `sweeps` is set. `watch` receives the time to "load" and, if anything was not yet compiled, to "compile".
    Raises InputError for a model or device that cannot be used.
    """
    start, place = time.perf_counter(), resolve_device(device)
    loaded = load_model(model)
    loaded.model.to(place).precision = resolve_precision(precision, place)
    at_hand = time.perf_counter()
    compiling = prepare(renderer_for(place), gradients=gradients, report=report)
    if compiled:
        compile_layers(loaded.model, report)
    if sweeps or loaded.model.config.matching is not None:
        compiling = prepare_sweep(place, report) or compiling
    if watch is not None:
        watch.add("load", at_hand - start)
        watch.add("compile" if compiling or compiled else "load", time.perf_counter() - at_hand)
    return loaded


def compile_layers(model: Ilrm, report: Report = ignore) -> None:
    """Compile the update layers in place, for the model's precision and device; code is cached between processes.

    Passes under `torch.inference_mode` then compile nothing more. Their results agree with those of the plain layers up
    to rounding, and with each other bit by bit. Copies of the model would share its weights. Raises `InputError` if
    PyTorch's compiler does not work.
    """
    report(Step(STAGE, 0, 1))
    keep_compiled_layers()
    try:
        for block in model.layers.modules():
            for region in REGIONS.get(type(block), ()):
                setattr(block, region, torch.compile(getattr(block, region), dynamic=True))
        _try(model)
    except torch.OutOfMemoryError:
        raise
    except (RuntimeError, OSError) as error:  # all of the compiler's own, unknown Pythons, unwritable folders
        reason = (str(error).strip() or type(error).__name__).partition("\n")[0].removesuffix(".")
        needed = "Triton" if _device(model).type == "cuda" else "a C++ compiler and Python's headers"
        raise InputError(
            f"PyTorch's compiler, which needs {needed}, does not work here ({reason}); install what is missing, or "
            "make the scene without --compile."
        ) from error
    report(Step(STAGE, 1, 1))


@torch.inference_mode()
def _try(model: Ilrm) -> None:
    """Run one layer on a small scene, in one chunk and in two, which calls every region in every way."""
    device, width = _device(model), model.config.width
    tokens = torch.zeros(VIEWS, TOKENS, width, device=device)
    image_tokens = torch.zeros(VIEWS, TOKENS, width, device=device, dtype=model.precision)
    for at_once in (VIEWS * TOKENS, TOKENS):
        with model.products(device):
            model.layers[0](tokens, image_tokens, VIEWS, AttentionClock(device), chunks=Chunks(VIEWS, at_once))


def _device(model: Ilrm) -> torch.device:
    return next(model.parameters()).device
