"""The tensors that a field is kept as: from networks to tensors by name, and back."""

from collections.abc import Callable, Mapping
from typing import TypeVar

import torch
from torch import Tensor, nn

Module = TypeVar("Module", bound=nn.Module)


def named_weights(**networks: nn.Module) -> dict[str, Tensor]:
    """Return the weights of some networks, each name led by its network's: "decoder.0.weight"."""
    return {
        f"{owner}.{name}": tensor.detach()
        for owner, network in networks.items()
        for name, tensor in network.state_dict().items()
    }


def with_weights(build: Callable[[], Module], parts: Mapping[str, Tensor], owner: str) -> Module:
    """Return a network with the weights of that owner in `named_weights`. Raises RuntimeError for others than its."""
    with torch.device("meta"):
        network = build()
    start = f"{owner}."
    own = {name.removeprefix(start): tensor for name, tensor in parts.items() if name.startswith(start)}
    network.load_state_dict(own, assign=True)
    return network.eval().requires_grad_(False)


def shaped(tensor: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Return the tensor. Raises ValueError if it has another shape."""
    if tensor.shape != shape:
        raise ValueError(f"a tensor of {tuple(tensor.shape)} in the place of one of {shape}")
    return tensor
