"""The tuned lens: affine maps found from tokens whose relation is known, and what is shipped."""

import torch

from ilrm_cli.models.checkpoint import LoadedModel
from ilrm_cli.models.ilrm.tuned_lens import TokenLens, encode_lens, shipped_lens
from ilrm_cli.runtime.cache import sha256_of
from ilrm_cli.train.fit_lens import fit_lens, tokens_of
from ilrm_cli.train.samples import Sample
from tests.support.small_models import MATCHED, random_model, random_views


def test_translating_is_affine_and_leaves_the_last_layer_alone():
    lens = TokenLens(torch.tensor([[[0.0, 2.0], [1.0, 0.0]]]), torch.tensor([[10.0, 20.0]]), "x")
    tokens = torch.tensor([[[1.0, 3.0]]])
    assert lens.translated(tokens, 0).tolist() == [[[13.0, 22.0]]]
    assert lens.translated(tokens, 1) is tokens


def test_the_fit_is_the_best_affine_map():
    """Residuals of least squares are orthogonal to what they were fitted on, and sum to zero."""
    model = random_model(MATCHED)
    sample = Sample(random_views(4, 96, 64), random_views(1), None, (0.5, 10.0))
    lens = fit_lens(LoadedModel(model, "tiny", "hash"), [sample])
    with torch.no_grad():
        seen = tokens_of(model, sample)
    assert lens.model_sha256 == "hash"
    assert len(lens.weight) == len(model.layers) == len(seen) - 1
    for layer, tokens in enumerate(seen[:-1]):
        residual = lens.translated(tokens, layer) - seen[-1]
        assert float(residual.mean(0).abs().max()) < 1e-3
        assert float((tokens.T @ residual).abs().max() / len(tokens)) < 1e-2
        assert float(residual.square().mean()) < float((tokens - seen[-1]).square().mean())


def test_the_shipped_lens_is_that_of_the_shipped_weights():
    """If this fails after new weights: python -m ilrm_cli.train.fit_lens, then make hashes."""
    from ilrm_cli.models.registry import weights_file

    lens = shipped_lens(sha256_of(weights_file("default")))
    assert lens is not None
    assert bool(lens.weight.isfinite().all())
    assert shipped_lens("of other weights") is None


def test_encoded_in_half_precision(tmp_path):
    from safetensors import safe_open

    lens = TokenLens(torch.rand(2, 3, 3), torch.rand(2, 3), "abc")
    (tmp_path / "lens.safetensors").write_bytes(encode_lens(lens))
    with safe_open(tmp_path / "lens.safetensors", "pt") as file:
        assert file.metadata() == {"model_sha256": "abc"}
        assert torch.equal(file.get_tensor("weight"), lens.weight.half())
        assert torch.equal(file.get_tensor("bias"), lens.bias.half())
