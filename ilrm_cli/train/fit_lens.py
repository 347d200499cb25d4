"""Fitting of a model's tuned lens; `python -m ilrm_cli.train.fit_lens [MODEL]` writes the shipped one anew."""

import sys
from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor

from ilrm_cli.models.checkpoint import LoadedModel, load_model
from ilrm_cli.models.ilrm.model import Ilrm, require_ilrm
from ilrm_cli.models.ilrm.tuned_lens import SHIPPED, TokenLens, encode_lens
from ilrm_cli.runtime.files import atomic_write
from ilrm_cli.train.samples import Sample
from ilrm_cli.train.sources import Procedural, Request

SEED = 4_000_037  # of the scenes: used neither by evaluation nor by training
SCENES = 32
VIEWS = (2, 4, 6, 8, 10)  # inputs, cycled
WIDTH, HEIGHT = 192, 128  # px
RIDGE = 1e-6  # relative to the mean square of the tokens: keeps the equations solvable if channels are never used


def scenes(count: int) -> Iterable[Sample]:
    """Yield procedural scenes as drawn in training."""
    for index in range(count):
        views = VIEWS[index % len(VIEWS)]
        yield Procedural().draw(Request(SEED, index, 0, views, 1, WIDTH, HEIGHT))


def tokens_of(model: Ilrm, sample: Sample) -> list[Float[Tensor, "token dim"]]:
    """Return all viewpoint tokens before the first layer and after each."""
    seen: list[Tensor] = []
    model([sample.inputs], [sample.depth_range], tap=lambda tokens, _: seen.append(tokens.flatten(0, 1).double()))
    return seen


@torch.no_grad()
def fit_lens(loaded: LoadedModel, samples: Iterable[Sample]) -> TokenLens:
    """Fit, by least squares over all tokens of all samples, a map from each layer to the last."""
    model = require_ilrm(loaded.model)
    layers, width = len(model.layers), model.config.width
    products = torch.zeros(layers, width + 1, width + 1, dtype=torch.float64)  # of tokens and 1 with themselves
    targets = torch.zeros(layers, width + 1, width, dtype=torch.float64)  # of tokens and 1 with the last tokens
    for sample in samples:
        seen = tokens_of(model, sample)
        for layer, tokens in enumerate(seen[:-1]):
            known = torch.nn.functional.pad(tokens, (0, 1), value=1.0)
            products[layer] += known.T @ known
            targets[layer] += known.T @ seen[-1]
    ridge = RIDGE * products.diagonal(dim1=1, dim2=2).mean(1)[:, None, None] * torch.eye(width + 1, dtype=torch.float64)
    maps = torch.linalg.solve(products + ridge, targets).float()
    return TokenLens(maps[:, :-1], maps[:, -1], loaded.sha256)


if __name__ == "__main__":
    fitted = fit_lens(load_model(sys.argv[1] if len(sys.argv) > 1 else "default"), scenes(SCENES))
    atomic_write(SHIPPED, encode_lens(fitted))
