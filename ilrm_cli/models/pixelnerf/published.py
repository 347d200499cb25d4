"""The format in which pixelNeRF was published: a plain state dict, `pixel_nerf_latest`, under our names."""

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from ilrm_cli.models.pixelnerf.config import PixelNerfConfig
from ilrm_cli.models.released import inferred, read_checkpoint, renamed, tensors_in
from ilrm_cli.runtime.errors import InputError, first_line

LAYERS = 4
FREQUENCIES, PHASES = "code._freqs", "code._phases"  # of the encoding, each for the sine and the cosine
RENAMES = (
    (r"encoder\.model\.((?:conv1|bn1|layer\d)\..+)", r"trunk.\1"),
    (r"mlp_(coarse|fine)\.(.+)", r"\1.\2"),
)


def is_pixelnerf(names: frozenset[str]) -> bool:
    """Return whether tensors of these names are of this format."""
    return {"mlp_coarse.lin_in.weight", "encoder.model.conv1.weight"} <= names


def load_pixelnerf(path: Path, first_pool: bool = True) -> tuple[PixelNerfConfig, dict[str, Tensor]]:
    """Load configuration, inferred from the tensors' shapes, and tensors under our names.

    `first_pool` is told by no tensor: the models for photos of 64 px have none. Raises InputError for anything else.
    """
    tensors = tensors_in(read_checkpoint(path))
    waves = tensors.get(FREQUENCIES)
    own = {name: tensor for name, tensor in tensors.items() if name not in (FREQUENCIES, PHASES)}
    state = renamed(path, "pixelNeRF", own, RENAMES)
    try:
        layers = range(1, LAYERS + 1)
        values = {
            "widths": [
                state[f"trunk.{name}.weight"].shape[0] for name in ("bn1", *(f"layer{n}.0.bn1" for n in layers))
            ],
            "depths": [len({k.split(".")[2] for k in state if k.startswith(f"trunk.layer{n}.")}) for n in layers],
            "hidden": state["coarse.lin_in.weight"].shape[0],
            "blocks": _count(state, "coarse.blocks"),
            "conditioned": _count(state, "coarse.lin_z"),
            "first_pool": first_pool,
        }
        if waves is not None:
            values["frequencies"] = waves.flatten()[::2].tolist()
    except (LookupError, ValueError, TypeError) as error:
        raise InputError(f"{path}: not a pixelNeRF checkpoint (no usable {first_line(error)}).") from error
    return inferred(path, "pixelNeRF", PixelNerfConfig, values), state


def _count(state: Mapping[str, Tensor], prefix: str) -> int:
    """Return how many numbered modules there are below the prefix."""
    return len({name.split(".")[2] for name in state if name.startswith(f"{prefix}.")})
