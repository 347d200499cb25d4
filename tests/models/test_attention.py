"""Tests of the choice of kernel; the results of attention are tested with the blocks."""

import pytest
import torch

from ilrm_cli.models.layers import attention as module
from ilrm_cli.models.layers.attention import FA3_PACKAGE, GAIN, USUAL, attention, fastest, gpu_kernels, kept_choice


def failing():
    raise AssertionError("This GPU is too old.")


@pytest.mark.parametrize(("other", "expected"), [(1.0, "other"), (2.0 / GAIN, USUAL), (2.5, USUAL)])
def test_the_fastest_kernel_is_taken_where_it_clearly_is(other, expected):
    runs = {"cannot": failing, "other": lambda: other, USUAL: lambda: 2.0}
    assert fastest(runs, lambda run: run()) == expected


def test_a_failure_of_the_usual_kernel_is_told():
    def out_of_memory():
        raise torch.OutOfMemoryError

    with pytest.raises(torch.OutOfMemoryError):
        fastest({USUAL: out_of_memory, "other": lambda: 1.0}, lambda run: run())


def test_a_choice_is_made_once_per_machine(tmp_path, monkeypatch):
    monkeypatch.setenv("ILRM_CACHE", str(tmp_path))
    trials = iter(["flash", USUAL])
    assert [kept_choice(["kind"], ["flash", USUAL], lambda: next(trials)) for _ in range(2)] == ["flash", "flash"]
    assert kept_choice(["kind"], [USUAL], lambda: next(trials)) == USUAL  # the kept choice is no longer available


def test_a_choice_that_cannot_be_kept_is_made_again(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("ILRM_CACHE", str(tmp_path / "file"))
    trials = iter(["flash", USUAL])
    found = [kept_choice(["kind"], ["flash"], lambda: next(trials)) for _ in range(2)]
    assert found == ["flash", USUAL]


def test_one_trial_serves_all_sizes(tmp_path, monkeypatch):
    """Nor does the trial draw random numbers that the program would have drawn."""
    monkeypatch.setenv("ILRM_CACHE", str(tmp_path))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "NVIDIA RTX/6000")
    monkeypatch.setattr(module, "TRIAL_TOKENS", 16)
    monkeypatch.setattr(module, "_milliseconds", lambda run: float(run().isfinite().all()))
    before = torch.random.get_rng_state()
    kind = (torch.device("cpu"), torch.float32, 8)
    assert module._chosen.__wrapped__(*kind) == USUAL
    monkeypatch.setattr(module, "fastest", None)
    assert module._chosen.__wrapped__(*kind) == USUAL
    assert torch.equal(before, torch.random.get_rng_state())
    (kept,) = (tmp_path / "attention").iterdir()
    assert "NVIDIA RTX/6000" in (kept / "choice.json").read_text()


def test_a_broken_package_is_passed_over(monkeypatch, tmp_path):
    (tmp_path / f"{FA3_PACKAGE}.py").write_text("assert False, 'built for another GPU'")
    monkeypatch.syspath_prepend(tmp_path)
    assert list(gpu_kernels.__wrapped__()) == [USUAL, "flash", "cudnn"]


def test_cpus_have_no_choice():
    q, k, v = torch.randn(3, 2, 5, 3, 4, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        mixed = attention(q, k, v)
    weights = torch.einsum("bqhc,bkhc->bhqk", q, k).div(2).softmax(-1)
    torch.testing.assert_close(mixed, torch.einsum("bhqk,bkhc->bqhc", weights, v))


@pytest.mark.gpu
@pytest.mark.parametrize("name", gpu_kernels())
def test_kernels_of_gpus_agree(name, tmp_path, monkeypatch):
    monkeypatch.setenv("ILRM_CACHE", str(tmp_path))
    q, k, v = torch.randn(3, 2, 256, 4, 64, device="cuda", dtype=torch.bfloat16)
    exact = attention(q.float().cpu(), k.float().cpu(), v.float().cpu())
    with torch.no_grad():
        torch.testing.assert_close(gpu_kernels()[name](q, k, v).float().cpu(), exact, rtol=0.05, atol=0.02)
        torch.testing.assert_close(attention(q, k, v).float().cpu(), exact, rtol=0.05, atol=0.02)
