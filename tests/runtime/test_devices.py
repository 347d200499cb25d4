import pytest
import torch

from ilrm_cli.runtime import devices
from ilrm_cli.runtime.devices import bf16_gain, machine, precision_named, resolve_device, resolve_precision
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


@pytest.mark.parametrize(("gain", "expected"), [(4.0, torch.bfloat16), (1.1, torch.float32), (0.1, torch.float32)])
def test_precision_is_the_faster_one(monkeypatch, gain, expected):
    cpu = torch.device("cpu")
    monkeypatch.setattr(devices, "bf16_gain", lambda threads: gain)
    assert resolve_precision("auto", cpu) == expected
    assert resolve_precision("bf16", cpu) == torch.bfloat16
    assert resolve_precision("fp32", cpu) == torch.float32


def test_precision_of_graphics_cards(monkeypatch):
    for supported, expected in ((True, torch.bfloat16), (False, torch.float32)):
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda supported=supported, **_: supported)
        assert resolve_precision("auto", torch.device("cuda")) == expected
    assert resolve_precision("fp32", torch.device("cuda")) == torch.float32


@pytest.mark.parametrize(("there", "gain"), [(True, 3.0), (False, 0.0)])
def test_the_gain_is_tried_once_where_there_are_instructions(monkeypatch, there, gain):
    seconds = {torch.float32: [0.6, 0.9], torch.bfloat16: [0.5, 0.2]}  # the best of each counts
    tried = []

    def product_s(factor):
        tried.append(factor.dtype)
        return seconds[factor.dtype][tried.count(factor.dtype) % 2]

    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True, "avx512_bf16": there})
    monkeypatch.setattr(devices, "_product_s", product_s)
    bf16_gain.cache_clear()
    assert bf16_gain(2) == bf16_gain(2) == pytest.approx(gain)
    assert len(tried) == (2 * devices.TRIES if there else 0)
    bf16_gain.cache_clear()


@pytest.mark.parametrize("choice", ["fp32", "bf16"])
def test_a_recorded_precision_leads_back_to_the_choice(choice):
    recorded = machine(torch.device("cpu"), resolve_precision(choice, torch.device("cpu")))["precision"]
    assert precision_named(recorded) == choice
    assert precision_named("float8") == "auto"
