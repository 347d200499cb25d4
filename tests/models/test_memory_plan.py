"""Tests of pieces: a pass is cut so that it fits; what cannot fit is refused with a hint at what would."""

import dataclasses
import re
import subprocess
import sys
from bisect import bisect_left
from pathlib import Path

import pytest
import torch

from ilrm_cli.models import memory_plan
from ilrm_cli.models.base import Blueprint, Pass
from ilrm_cli.models.ilrm.config import PRESETS
from ilrm_cli.models.ilrm.contract import PIECE_TOKENS
from ilrm_cli.models.ilrm.model import ARCHITECTURE
from ilrm_cli.models.memory_plan import PLENTY, check_fits, fit_to_memory, fits, plan
from ilrm_cli.runtime.errors import InputError
from tests.support.small_models import published, random_model, random_views

DL3DV = Blueprint(ARCHITECTURE, PRESETS["dl3dv"].config)
WIDE = Pass(views=64, height=544, width=960, precision=torch.bfloat16, device="cuda")
GB = 1_000_000_000


def test_64_wide_views_fit_a_card_of_24_gb():
    found = plan(DL3DV, WIDE, free=24 * GB)
    assert found.total_bytes < 24 * GB
    assert found == plan(DL3DV, WIDE, free=PLENTY)  # in pieces of the usual size


def test_32_small_views_fit_4_gb_of_ram_with_the_weights():
    load = Pass(views=32, height=256, width=256)
    assert plan(DL3DV, load, free=2 * GB).total_bytes < 2 * GB


@pytest.mark.parametrize("device", PIECE_TOKENS)
def test_less_memory_makes_smaller_pieces(device: str):
    load = Pass(views=16, height=256, width=256, device=device)
    usual = plan(DL3DV, load, PLENTY)
    needed, tokens = usual.needed_bytes, usual.chunks.tokens
    assert tokens is not None
    assert plan(DL3DV, load, int(needed / memory_plan.USABLE) + 1).chunks == usual.chunks
    tight = plan(DL3DV, load, int(0.9 * needed / memory_plan.USABLE))
    assert tight.chunks.tokens is not None
    assert tight.chunks.tokens < tokens
    assert tight.needed_bytes <= 0.9 * needed


def test_what_cannot_fit_is_refused_with_what_would():
    free = 2 * GB
    with pytest.raises(InputError) as refusal:
        plan(DL3DV, WIDE, free)
    words = str(refusal.value)
    numbers = re.fullmatch(
        r"64 views of 960x544 px need (\S+) GB of memory besides weights and photos, and 2\.00 GB are free; "
        r"use --views (\d+) or --size (\d+), or end other programs\.",
        words,
    )
    assert numbers, words
    views, side = int(numbers[2]), int(numbers[3])
    assert float(numbers[1]) > 2
    assert fits(DL3DV, dataclasses.replace(WIDE, views=views), free)
    assert not fits(DL3DV, dataclasses.replace(WIDE, views=views + 1), free)
    height = round(544 * side / 960 / 16) * 16
    assert fits(DL3DV, dataclasses.replace(WIDE, width=side, height=height), free)


def test_where_nothing_fits_nothing_is_advised():
    with pytest.raises(InputError, match="no number of views or size fits; end other programs"):
        plan(DL3DV, dataclasses.replace(WIDE, views=2), free=1000)


def test_a_pass_is_planned_for_what_is_free_where_its_views_are(monkeypatch: pytest.MonkeyPatch):
    model, views = random_model(published("dl3dv")), random_views()
    with torch.inference_mode():
        whole = model([views])[0]
        monkeypatch.setattr(memory_plan, "free_bytes", lambda device: PLENTY)
        usual = fit_to_memory(model, views)
        assert usual.cost.inputs_bytes == views.images.nbytes
        torch.testing.assert_close(model([views], chunks=usual.chunks)[0].means, whole.means)
    monkeypatch.setattr(memory_plan, "free_bytes", lambda device: 1)
    with pytest.raises(InputError, match="GB are free; "):
        fit_to_memory(model, views)


def test_before_anything_is_loaded_weights_and_photos_must_fit_too(monkeypatch: pytest.MonkeyPatch):
    load = Pass(views=32, height=256, width=256)
    cost = DL3DV.cost(load)
    least = bisect_left(range(GB), True, key=lambda free: fits(DL3DV, load, free))
    least += cost.weights_bytes + cost.inputs_bytes
    monkeypatch.setattr(memory_plan, "free_bytes", lambda device: least)
    check_fits(DL3DV, load)
    monkeypatch.setattr(memory_plan, "free_bytes", lambda device: least - 1)
    with pytest.raises(InputError, match="GB are free; "):
        check_fits(DL3DV, load)


def taken(*arguments: int) -> tuple[int, int, int]:
    """Run a pass in a process of its own; return bytes planned and taken, and tokens per piece."""
    command = [sys.executable, "-m", "tests.support.limited_pass", *map(str, arguments)]
    run = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2], check=True)
    planned, held, tokens = map(int, run.stdout.split())
    return planned, held, tokens


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the peak of a part of a run")
def test_a_process_takes_no_more_than_planned_and_stays_below_its_limit():
    planned, held, tokens = taken(8, 256, 0)
    if held < 0:
        pytest.skip("this container does not let processes reset their peak")
    assert 0.4 * planned < held <= planned
    limit = int(0.85 * planned / memory_plan.USABLE)
    less, limited, fewer = taken(8, 256, limit)
    assert limited <= less <= limit
    assert fewer < tokens
