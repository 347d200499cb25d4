"""The reference tensors of the family: read, and compared with ours."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

TOLERANCE = 1e-5  # of the largest absolute value of the reference


def reference(shared: Path, name: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the tensors of a pair, and the configuration that they were computed with."""
    with np.load(shared / "parity" / "family" / f"{name}_dev_io.npz") as arrays:
        tensors = {key: torch.from_numpy(arrays[key]) for key in arrays.files if key != "config"}
        return tensors, json.loads(str(arrays["config"]))


def close(ours: Tensor, theirs: Tensor, tolerance: float = TOLERANCE) -> bool:
    """Return whether ours differ by less than the tolerance, whatever axes of length one there are."""
    assert ours.squeeze().shape == theirs.squeeze().shape, (ours.shape, theirs.shape)
    most = theirs.double().abs().max()
    return bool((ours.double().squeeze() - theirs.double().squeeze()).abs().max() <= tolerance * most)
