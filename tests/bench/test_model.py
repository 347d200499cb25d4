"""The reference is the same network, and the suite reports what it measured."""

import pytest
import torch

from ilrm_cli.bench import model as suite
from ilrm_cli.bench.reference import FullAttentionLayer, Reference, attention
from ilrm_cli.models.cost.flops import full_attention_stages, total_flops
from ilrm_cli.models.ilrm.config import Preset
from tests.support.small_models import published, random_model, random_views


@pytest.mark.parametrize("name", ["re10k", "dl3dv"])
def test_the_reference_gives_the_models_gaussians(name):
    model, views = random_model(published(name)), random_views()
    reference = Reference(model.config)
    reference.load_state_dict(model.state_dict())
    with torch.no_grad():
        difference = suite.largest_difference(model([views])[0], reference(views))
    assert max(difference.values()) < 1e-5


def test_attention_of_known_numbers():
    q = torch.tensor([[[[1.0]]]])
    k, v = torch.tensor([[[[0.0], [1.0]]]]), torch.tensor([[[[2.0], [6.0]]]])
    share = torch.e / (1 + torch.e)
    torch.testing.assert_close(attention(q, k, v), torch.full((1, 1, 1, 1), 2 + 4 * share))


def test_full_attention_has_as_many_weights_as_it_is_counted_for():
    config = published("dl3dv")
    parameters = sum(p.numel() for p in FullAttentionLayer(config).parameters() if p.dim() == 2)
    small, large = (total_flops(full_attention_stages(config, 1, side, side)) for side in (16, 32))
    assert parameters == 2 * (4 + 2 * config.mlp_ratio) * config.width**2
    assert large > 4 * small  # tokens of four times the pixels attend to each other


def test_the_suite_tells_every_comparison(monkeypatch):
    tiny = Preset(published("dl3dv"), 1_000_000, 0.0, "")
    monkeypatch.setattr(suite, "PRESETS", {"dl3dv": tiny})
    monkeypatch.setattr(suite, "VIEWS", 2)
    monkeypatch.setattr(suite, "SIDE_PX", 32)
    monkeypatch.setattr(suite, "POINTS_PER_VIEW", 5)
    monkeypatch.setattr(suite, "resolve_precision", lambda choice, device: torch.float32)
    found = suite.model_suite(rounds=1)
    assert [row.limit for row in found.rows] == [suite.FLOPS_LIMIT, None, None, None]
    assert [row.limit_s for row in found.rows] == 4 * [None]  # only for CPUs with faster bfloat16 products
    assert all(row.ratio > 0 for row in found.rows)
    assert found.details["precision"] == "float32"
    assert max(found.details["largest_difference_from_reference"].values()) < 1e-4
