"""The chunked scan against tensors of the authors' Mamba2, the recurrence written out, and what a scan promises."""

import json

import numpy as np
import pytest
import torch

from ilrm_cli.models.layers.state_space import Mamba2, scan, scan_multiply_adds

TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-12}


def relative(ours, reference) -> float:
    return float((ours - torch.from_numpy(reference)).abs().max() / np.abs(reference).max())


@pytest.fixture
def reference(shared):
    """Return the authors' tensors and our layer with their weights."""
    folder = shared / "parity" / "family"
    io = dict(np.load(folder / "mamba2_dev_io.npz"))
    sizes = json.loads(str(io["config"]))
    layer = Mamba2(sizes["d_model"], sizes["d_state"], sizes["headdim"], sizes["expand"], sizes["d_conv"], directions=1)
    state = torch.load(folder / "mamba2_dev.pt", weights_only=True)
    outer = ("in_proj", "out_proj")
    layer.load_state_dict({k if k.startswith(outer) else f"mamba_scans.0.{k}": v for k, v in state.items()})
    return io, layer


@pytest.mark.parametrize("chunk", [1, 5, 16, 64])
@pytest.mark.parametrize("precision", [torch.float32, torch.float64])
@torch.no_grad()
def test_mamba2_of_its_authors(reference, precision, chunk):
    io, layer = reference
    layer = layer.to(precision)
    ours, suffix = {}, "" if precision == torch.float32 else "_f64"
    projected = layer.in_proj(torch.from_numpy(io["u"]).to(precision))
    direction = layer.mamba_scans[0]
    ours["z"] = projected[..., : direction.inner]
    ours["x"], ours["dt"], enter, leave = direction.mixed(projected)
    ours["B"], ours["C"] = enter[:, :, None], leave[:, :, None]
    ours["y_scan"], ours["final_state"] = direction.scanned(projected, chunk)
    ours["y_norm"] = direction.gated(ours["y_scan"].flatten(2), ours["z"])
    ours["y"] = layer(torch.from_numpy(io["u"]).to(precision), chunk)
    compared = {name: found for name, found in ours.items() if name + suffix in io}
    assert len(compared) == (9 if precision == torch.float32 else 7)
    worst = {name: relative(found, io[name + suffix]) for name, found in compared.items()}
    assert max(worst.values()) <= TOLERANCE[precision], worst


@pytest.mark.parametrize(("taps", "expansion", "tokens"), [(3, 3, 37), (4, 2, 1), (2, 1, 20)])
@torch.no_grad()
def test_other_configurations_follow_the_recurrence(taps, expansion, tokens):
    torch.manual_seed(0)
    layer = Mamba2(16, 5, 8, expansion, taps, directions=1).double()
    projected = layer.in_proj(torch.randn(2, tokens, 16, dtype=torch.float64))
    direction = layer.mamba_scans[0]
    x, step, enter, leave = direction.mixed(projected)
    state, expected = torch.zeros(2, 2 * expansion, 8, 5, dtype=torch.float64), []
    for t in range(tokens):
        kept = (-step[:, t] * direction.A_log.exp()).exp()[..., None, None]
        state = kept * state + (step[:, t, :, None] * x[:, t])[..., None] * enter[:, t, None, None]
        expected.append((state * leave[:, t, None, None]).sum(-1) + direction.D[:, None] * x[:, t])
    y, last = direction.scanned(projected, chunk=8)
    torch.testing.assert_close(y, torch.stack(expected, dim=1), rtol=0, atol=1e-12)
    torch.testing.assert_close(last, state, rtol=0, atol=1e-12)


@torch.no_grad()
def test_one_direction_is_causal_and_two_are_not():
    torch.manual_seed(0)
    tokens = torch.randn(1, 30, 16)
    changed = tokens.clone()
    changed[:, 20:] += 1
    for directions in (1, 2):
        layer = Mamba2(16, 4, 8, directions=directions)
        same = (layer(tokens, 7) - layer(changed, 7)).abs().amax((0, 2)) < 1e-6
        assert not same[20:].any()
        assert bool(same[:20].all()) == (directions == 1)


@torch.no_grad()
def test_two_directions_of_the_same_weights_commute_with_reversal():
    torch.manual_seed(0)
    layer = Mamba2(16, 4, 8)
    layer.mamba_scans[1].load_state_dict(layer.mamba_scans[0].state_dict())
    tokens = torch.randn(2, 21, 16)
    torch.testing.assert_close(layer(tokens.flip(1)), layer(tokens).flip(1))


def test_gradients_are_those_of_finite_differences():
    torch.manual_seed(0)
    inputs = [
        torch.randn(shape, dtype=torch.float64) for shape in ((1, 5, 2, 2), (1, 5, 2), (2,), (1, 5, 3), (1, 5, 3))
    ]
    inputs[1], inputs[2] = inputs[1].exp(), -inputs[2].exp()
    leaves = [tensor.requires_grad_() for tensor in inputs]
    assert torch.autograd.gradcheck(lambda *parts: scan(*parts, chunk=2), leaves)


def test_steps_start_in_their_range_and_large_decays_do_not_overflow():
    direction = Mamba2(64, 4, 8).mamba_scans[0]
    steps = torch.nn.functional.softplus(direction.dt_bias)
    assert 9.9e-4 < steps.min() < steps.max() < 0.101
    x, step = torch.ones(1, 64, 1, 1), torch.full((1, 64, 1), 50.0)
    assert scan(x, step, torch.tensor([-16.0]), torch.ones(1, 64, 1), torch.ones(1, 64, 1))[0].isfinite().all()


def test_operations_are_counted_as_pytorch_does():
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter, torch.device("meta"):
        scan(torch.ones(1, 100, 2, 8), torch.ones(1, 100, 2), torch.ones(2), *torch.ones(2, 1, 100, 4), chunk=32)
    assert counter.get_total_flops() == 2 * scan_multiply_adds(100, 2, 8, 4, 32)
