import pytest
import torch

from ilrm_cli.runtime.devices import machine, precision_named, resolve_device, resolve_precision
from ilrm_cli.runtime.errors import InputError


def test_the_cpu_is_taken_when_asked_for():
    assert resolve_device("cpu").type == "cpu"


def test_auto_takes_what_is_there(monkeypatch):
    for present, expected in ((True, "cuda"), (False, "cpu")):
        monkeypatch.setattr(torch.cuda, "is_available", lambda present=present: present)
        assert resolve_device("auto").type == expected


def test_absent_cuda_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match="--device cuda"):
        resolve_device("cuda")


@pytest.mark.parametrize(
    ("instructions", "library", "expected"),
    [
        ("amx_bf16", True, torch.bfloat16),
        ("avx512_bf16", True, torch.bfloat16),
        ("avx512_f", True, torch.float32),
        ("amx_bf16", False, torch.float32),
    ],
)
def test_precision_is_what_the_cpu_is_made_for(monkeypatch, instructions, library, expected):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True, "amx_bf16": False, instructions: True})
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: library)
    cpu = torch.device("cpu")
    assert resolve_precision("auto", cpu) == expected
    assert resolve_precision("bf16", cpu) == torch.bfloat16
    assert resolve_precision("fp32", cpu) == torch.float32


def test_precision_is_the_same_while_other_work_slows_one_product_down(monkeypatch):
    """What the clock says has no part in it: the same command gives the same scene."""
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: True)
    monkeypatch.setattr(torch, "mm", lambda *_: pytest.fail("a product is timed"))
    assert resolve_precision("auto", torch.device("cpu")) == torch.bfloat16


def test_precision_of_graphics_cards(monkeypatch):
    for supported, expected in ((True, torch.bfloat16), (False, torch.float32)):
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda supported=supported, **_: supported)
        assert resolve_precision("auto", torch.device("cuda")) == expected
    assert resolve_precision("fp32", torch.device("cuda")) == torch.float32


@pytest.mark.parametrize("choice", ["fp32", "bf16"])
def test_a_recorded_precision_leads_back_to_the_choice(choice):
    recorded = machine(torch.device("cpu"), resolve_precision(choice, torch.device("cpu")))["precision"]
    assert precision_named(recorded) == choice
    assert precision_named("float8") == "auto"
