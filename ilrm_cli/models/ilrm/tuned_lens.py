"""The tuned lens: maps tokens of any layer into the form that the final head reads.

The head was trained on the tokens of the last layer. Read with it alone, earlier tokens look worse than their content,
insofar as a layer merely brings them into that form. One affine map per layer, fitted by least squares from its tokens
to those of the last layer over many scenes, removes this effect (Belrose et al. 2023, Eliciting Latent Predictions from
Transformers with the Tuned Lens). A map is fitted to the model's own last tokens: it knows their mean and what follows
linearly from the given tokens, and nothing about photos. `train.fit_lens` fits it.
"""

from dataclasses import dataclass
from pathlib import Path

from jaxtyping import Float
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

SHIPPED = Path(__file__).parents[2] / "weights" / "default_lens.safetensors"
MODEL_KEY = "model_sha256"


@dataclass(frozen=True)
class TokenLens:
    """Affine maps to the tokens of the last layer, from those before the first layer and after each but the last."""

    weight: Float[Tensor, "layer dim dim"]  # translated = tokens @ weight + bias
    bias: Float[Tensor, "layer dim"]
    model_sha256: str  # of the weights whose tokens it maps

    def translated(self, tokens: Float[Tensor, "*batch dim"], layer: int) -> Float[Tensor, "*batch dim"]:
        """Map the tokens after `layer` layers to those of the last layer, which themselves are returned unchanged."""
        if layer == len(self.weight):
            return tokens
        return tokens @ self.weight[layer].to(tokens) + self.bias[layer].to(tokens)


def shipped_lens(model_sha256: str) -> TokenLens | None:
    """Return the lens that comes with the tool if it was fitted to exactly these weights, else None."""
    with safe_open(SHIPPED, "pt") as file:
        if file.metadata()[MODEL_KEY] != model_sha256:
            return None
        return TokenLens(file.get_tensor("weight").float(), file.get_tensor("bias").float(), model_sha256)


def encode_lens(lens: TokenLens) -> bytes:
    """Encode as safetensors, in half precision."""
    parts = {"weight": lens.weight.half().contiguous(), "bias": lens.bias.half().contiguous()}
    return save(parts, {MODEL_KEY: lens.model_sha256})
