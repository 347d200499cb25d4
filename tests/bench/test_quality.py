"""What approximations of attention do to a scene, on a wall that a few tiny views see.

And known limits of each, where it must be exact.
"""

import pytest
import torch

from ilrm_cli.bench import quality
from ilrm_cli.bench.quality import (
    EXACT,
    GroupedSelfAttention,
    Outcome,
    along,
    compared,
    exact,
    fp8_attention,
    fp8_rounded,
    grouped,
    grouped_share,
    in_fp8,
)
from ilrm_cli.geometry.transforms import Similarity
from ilrm_cli.models.checkpoint import load_model
from ilrm_cli.models.layers.attention import attention
from ilrm_cli.models.layers.blocks import SelfAttention
from ilrm_cli.pipeline.prepare import Prepared
from ilrm_cli.runtime.errors import InputError
from tests.models.test_plane_sweep import wall
from tests.support.small_models import published, random_model, random_views

VIEWS, PER_VIEW = 4, 6


def test_neighbours_see_alike():
    order = along(wall([0.0, 3.0, 1.0, 4.0, 2.0]))
    assert order in ([0, 2, 4, 1, 3], [3, 1, 4, 2, 0])


def test_what_changes_nothing_scores_the_same(monkeypatch):
    views = wall([0.0, 0.3, 0.6], size=16)
    scene = Prepared(views[:2], views[2:], (1.0, 16.0), Similarity(1.0, torch.eye(3), torch.zeros(3)))
    changes = {EXACT: exact, "one group": grouped(2), "alone": grouped(1)}
    monkeypatch.setattr(quality, "APPROXIMATIONS", changes)
    found = compared(load_model("default").model, scene)
    assert found[EXACT].moved == 0
    assert found["one group"].moved < 1e-3 < found["alone"].moved
    assert abs(found["one group"].psnr - found[EXACT].psnr) < 0.01


def test_ten_decibels_less_are_ten_times_the_error():
    best, worse = quality.rows({EXACT: Outcome(30.0, 0.0, 1.0), "rough": Outcome(20.0, 0.5, 2.0)})
    assert (best.ratio, worse.ratio) == pytest.approx((1, 10))
    assert worse.name == "rough: 20.000 dB (-10.000)"


def test_without_the_sample_scene_it_is_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(quality, "SCENE", tmp_path / "none")
    with pytest.raises(InputError, match="sample_scenes/posed"):
        quality.quality_suite()


def block_and_tokens() -> tuple[SelfAttention, torch.Tensor]:
    torch.manual_seed(0)
    return SelfAttention(width=8, head_width=4), torch.randn(1, VIEWS * PER_VIEW, 8)


def test_rounding_keeps_what_eight_bits_can_say():
    x = torch.tensor([448.0, -1.0, 0.0, 1.0625]).view(1, 1, 1, 4)  # 448 is the largest number of the format
    torch.testing.assert_close(fp8_rounded(x).flatten(), torch.tensor([448.0, -1.0, 0.0, 1.0]))
    torch.testing.assert_close(fp8_rounded(x / 1000), fp8_rounded(x) / 1000)  # each head has its own scale
    assert not fp8_rounded(torch.zeros(1, 2, 1, 3)).any()


def test_fp8_attention_is_near():
    q, k, v = torch.randn(3, 1, 64, 2, 16, generator=torch.Generator().manual_seed(0))
    error = (fp8_attention(q, k, v) - attention(q, k, v)).norm() / attention(q, k, v).norm()
    assert 0 < error < 0.1


@pytest.mark.parametrize("summarised", [None, 1])
def test_one_group_of_all_views_is_exact(summarised):
    block, tokens = block_and_tokens()
    with torch.no_grad():
        found = GroupedSelfAttention(block, [range(VIEWS)], summarised)(tokens)
        torch.testing.assert_close(found, block(tokens))


def test_summaries_of_single_tokens_are_exact():
    block, tokens = block_and_tokens()
    with torch.no_grad():
        found = GroupedSelfAttention(block, [[0, 3], [1, 2]], summarised=1)(tokens)
        torch.testing.assert_close(found, block(tokens))


def test_groups_do_not_see_each_other():
    block, tokens = block_and_tokens()
    with torch.no_grad():
        found = GroupedSelfAttention(block, [[0], [1, 2], [3]])(tokens)
        middle = slice(PER_VIEW, 3 * PER_VIEW)
        torch.testing.assert_close(found[:, middle], block(tokens[:, middle]))
        torch.testing.assert_close(found[:, :PER_VIEW], block(tokens[:, :PER_VIEW]))


def test_groups_across_are_of_every_nth_view():
    model = random_model(published("dl3dv"))
    with grouped(2, across=True)(model, 5):
        near, far = ([list(group) for group in layer.self_attention.groups] for layer in model.layers)
    assert near == [[0, 1], [2, 3], [4]]
    assert far == [[0, 3], [1, 4], [2]]


@pytest.mark.parametrize("change", [in_fp8, grouped(2, across=True)])
def test_a_changed_model_still_gives_gaussians_and_is_exact_afterwards(change):
    model, views = random_model(published("dl3dv")), random_views()
    with torch.no_grad():
        exact = model([views])[0]
        with change(model, len(views)):
            found = model([views])[0]
        again = model([views])[0]
    assert len(found) == len(exact)
    assert not torch.equal(found.means, exact.means)
    assert torch.equal(again.means, exact.means)


def test_what_groups_save():
    assert grouped_share(1000, 256, 10, None) == pytest.approx(0.01)
    assert grouped_share(1000, 256, 10, 16) == pytest.approx(0.01 + 0.99 / 16)
