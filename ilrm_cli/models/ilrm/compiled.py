"""Update layers made by PyTorch's compiler, on request and for inference.

Compiled is what lies between the attentions and the sums,
that is norms, projections and MLPs. Attention keeps its own kernels, which the device has chosen, the clock stays
outside, and so do chunks: each region takes any number of tokens, so that it is compiled once for all layers, chunks
and scenes. Neither CUDA graphs (mode "reduce-overhead") nor matrix products chosen by trial ("max-autotune") are used:
graphs keep memory that the planner knows nothing of and copy what goes into them; another choice gives other bits, and
a scene could not be made again.

Measured (`ilrm bench compiled`, 2 quiet cores with AVX2, float32, 8 views of 256 px): a pass of the default model takes
0.96 of its time, one of the full-size model 1.02. Compiling takes 20 to 35 s once and, with kept code, about ten
seconds in every process after: on such a CPU it hardly pays. Not measured on GPUs.
"""

import torch
from torch import nn

from ilrm_cli.models.layers.blocks import CrossAttention, Mlp, SelfAttention
from ilrm_cli.models.layers.passes import AttentionClock, Chunks
from ilrm_cli.runtime.cache import keep_compiled_layers
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.runtime.progress import Report, Step, ignore

REGIONS: dict[type[nn.Module], tuple[str, ...]] = {
    CrossAttention: ("asked", "offered"),
    SelfAttention: ("normed",),
    Mlp: ("forward",),
}
STAGE = "compiling layers"
# Of the scene used for compiling: the compiler specialises on sizes 0 and 1 only.
VIEWS, TOKENS = 2, 4


def compile_layers(layers: nn.ModuleList, width: int, precision: torch.dtype, report: Report = ignore) -> None:
    """Compile update layers of tokens of that width in place, for a precision of matrix products and their device.

    Code is cached between processes. Passes under `torch.no_grad` then compile nothing more. Their results agree
    with those of the plain layers up to rounding, and with each other bit by bit. Copies of the model would share its
    weights. Raises `InputError` if PyTorch's compiler does not work.
    """
    report(Step(STAGE, 0, 1))
    keep_compiled_layers()
    try:
        for block in layers.modules():
            for region in REGIONS.get(type(block), ()):
                setattr(block, region, torch.compile(getattr(block, region), dynamic=True))
        _try(layers[0], width, precision)
    except torch.OutOfMemoryError:
        raise
    except (RuntimeError, OSError) as error:  # all of the compiler's own, unknown Pythons, unwritable folders
        reason = (str(error).strip() or type(error).__name__).partition("\n")[0].removesuffix(".")
        needed = "Triton" if _device(layers).type == "cuda" else "a C++ compiler and Python's headers"
        raise InputError(
            f"PyTorch's compiler, which needs {needed}, does not work here ({reason}); install what is missing, or "
            "make the scene without --compile."
        ) from error
    report(Step(STAGE, 1, 1))


@torch.no_grad()
def _try(layer: nn.Module, width: int, precision: torch.dtype) -> None:
    """Run one layer on a small scene, in one chunk and in two, which calls every region in every way."""
    device = _device(layer)
    tokens = torch.zeros(VIEWS, TOKENS, width, device=device)
    image_tokens = torch.zeros(VIEWS, TOKENS, width, device=device, dtype=precision)
    for at_once in (VIEWS * TOKENS, TOKENS):
        with torch.autocast(device.type, precision, enabled=precision != torch.float32):
            layer(tokens, image_tokens, VIEWS, AttentionClock(device), chunks=Chunks(VIEWS, at_once))


def _device(layers: nn.Module) -> torch.device:
    return next(layers.parameters()).device
