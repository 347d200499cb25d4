"""Which kernel is taken; what attention computes is tested with the blocks."""

import pytest
import torch

from ilrm_cli.model.attention import GAIN, USUAL, attention, fastest, gpu_kernels


def refusing(q, k, v):
    raise RuntimeError("No available kernel.")


@pytest.mark.parametrize(("other", "expected"), [(1.0, "other"), (2.0 / GAIN, USUAL), (2.5, USUAL)])
def test_the_fastest_kernel_is_taken_where_it_clearly_is(other, expected):
    seconds = iter([2.0, other])

    def milliseconds(run):
        run()
        return next(seconds)

    kernels = {USUAL: lambda *qkv: None, "cannot": refusing, "other": lambda *qkv: None}
    assert fastest(kernels, *torch.zeros(3, 1, 1, 1, 1), milliseconds) == expected


def test_cpus_have_no_choice():
    q, k, v = torch.randn(3, 2, 5, 3, 4, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        mixed = attention(q, k, v)
    weights = torch.einsum("bqhc,bkhc->bhqk", q, k).div(2).softmax(-1)
    torch.testing.assert_close(mixed, torch.einsum("bhqk,bkhc->bqhc", weights, v))


@pytest.mark.gpu
@pytest.mark.parametrize("name", gpu_kernels())
def test_kernels_of_gpus_agree(name):
    q, k, v = torch.randn(3, 2, 256, 4, 64, device="cuda", dtype=torch.bfloat16)
    exact = attention(q.float().cpu(), k.float().cpu(), v.float().cpu())
    with torch.no_grad():
        torch.testing.assert_close(gpu_kernels()[name](q, k, v).float().cpu(), exact, rtol=0.05, atol=0.02)
        torch.testing.assert_close(attention(q, k, v).float().cpu(), exact, rtol=0.05, atol=0.02)
