import pytest
import torch

from ilrm_cli.models.ilrm.model import Ilrm
from ilrm_cli.models.layers.passes import AttentionClock
from ilrm_cli.runtime.progress import Step
from tests.support.small_models import MATCHED, PYRAMID, published, random_model, random_views

CONFIGS = {"re10k": published("re10k"), "dl3dv": published("dl3dv"), "matched": MATCHED}
RANGE = (0.5, 10.0)


@pytest.mark.parametrize("name", CONFIGS)
def test_one_gaussian_per_viewpoint_pixel(name):
    config, views = CONFIGS[name], random_views()
    gaussians = random_model(config)([views], [RANGE])[0]
    assert len(gaussians) == 3 * 32 * 48 // config.viewpoint_factor**2
    assert bool(gaussians.finite().all())
    assert bool(((gaussians.opacities > 0) & (gaussians.opacities < 1)).all())


@pytest.mark.parametrize("name", CONFIGS)
def test_the_order_of_views_does_not_matter(name):
    model, views, order = random_model(CONFIGS[name]), random_views(), [2, 0, 1]
    plain = model([views], [RANGE])[0]
    shuffled = model([views[order]], [RANGE])[0]
    per_view = len(plain) // 3
    expected = plain.means.unflatten(0, (3, per_view))[order].flatten(0, 1)
    torch.testing.assert_close(shuffled.means, expected, rtol=1e-3, atol=1e-4)


def test_scenes_of_one_call_do_not_see_each_other():
    model, first, second = random_model(MATCHED), random_views(seed=1), random_views(seed=2)
    together = model([first, second], [RANGE, (1.0, 5.0)])
    alone = model([second], [(1.0, 5.0)])[0]
    torch.testing.assert_close(together[1].means, alone.means, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(together[1].harmonics, alone.harmonics, rtol=1e-4, atol=1e-5)


def test_every_layer_is_timed_and_reported():
    steps: list[Step] = []
    clock = AttentionClock(torch.device("cpu"))
    random_model(MATCHED)([random_views()], [RANGE], clock, steps.append)
    assert [(s.stage, s.done) for s in steps] == [(f"layer {n} of 2", done) for n in (1, 2) for done in (0, 1)]
    assert "cross" in steps[-1].note
    assert "self" in steps[-1].note
    assert len(clock.layers()) == 2
    assert all(layer.cross_ms > 0 and layer.self_ms > 0 for layer in clock.layers())


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("config", [MATCHED, PYRAMID], ids=["layers that pass tokens on", "layers with feedback"])
def test_a_tap_sees_every_layer_and_changes_nothing(config, precision):
    model, views = random_model(config), random_views()
    model.precision = precision
    seen = []
    with torch.no_grad():
        plain = model([views], [RANGE])[0]
        tapped = model([views], [RANGE], tap=lambda tokens, decode: seen.append((tokens, decode()[0])))[0]
    assert len(seen) == len(model.layers) + 1
    assert all(map(torch.equal, tapped.tensors(), plain.tensors()))
    assert all(map(torch.equal, seen[-1][1].tensors(), plain.tensors()))
    assert not torch.equal(seen[0][1].means, plain.means)
    assert all(tokens.dtype == torch.float32 for tokens, _ in seen)


def test_bf16_stays_close():
    model, views = random_model(published("dl3dv")), random_views()
    exact = model([views])[0]
    model.precision = torch.bfloat16
    rough = model([views])[0]
    error = (rough.means - exact.means).norm() / exact.means.norm()
    assert 0 < error < 0.02
    assert rough.means.dtype == torch.float32


def test_recomputing_blocks_gives_the_same_gradients():
    model, views = random_model(MATCHED).train(), random_views()

    def gradients() -> list[torch.Tensor]:
        model.zero_grad()
        model([views], [RANGE])[0].means.sum().backward()
        return [p.grad.clone() for p in model.layers.parameters()]

    kept = gradients()
    model.checkpointing = True
    for a, b in zip(kept, gradients(), strict=True):
        torch.testing.assert_close(a, b)


def test_mini_batch_reading_is_for_training_only():
    model, views = random_model(published("dl3dv")), random_views()
    full = model([views])[0]
    model.read_every = 2
    torch.testing.assert_close(model([views])[0].means, full.means, rtol=0, atol=0)
    model.train()
    half = model([views])[0]
    assert not torch.equal(half.means, full.means)
    model.read_turn = 1
    assert not torch.equal(model([views])[0].means, half.means)
    model.read_every = 1
    torch.testing.assert_close(model([views])[0].means, full.means)


def test_no_numbers_are_drawn_for_a_model_that_weights_will_fill(monkeypatch):
    """On the device "meta" PyTorch takes its compiler for that, whose import takes seconds."""

    def never(*args, **kwargs):
        raise AssertionError("numbers are drawn")

    monkeypatch.setattr(torch.nn.init, "normal_", never)
    with torch.device("meta"):
        assert Ilrm(MATCHED).head.linear.weight.is_meta
    with pytest.raises(AssertionError, match="are drawn"):
        Ilrm(MATCHED)
