"""Predicted memory against what a pass holds, operation by operation."""

import pytest
import torch

from ilrm_cli.models.cost.footprint import Workload, footprint, parameters
from ilrm_cli.models.ilrm.config import PRESETS
from ilrm_cli.models.layers.gaussian_head import channels_of
from ilrm_cli.models.layers.passes import WHOLE, Chunks
from tests.support.live_bytes import held_by_pass
from tests.support.small_models import MATCHED, random_model

LARGE, SMALL = PRESETS["dl3dv"].config, PRESETS["re10k"].config
TWO_BYTES = torch.bfloat16


@pytest.mark.parametrize("name", PRESETS)
def test_parameters_are_the_published_numbers(name: str):
    assert parameters(PRESETS[name].config) == PRESETS[name].parameters


def test_parameters_are_those_of_the_model():
    assert parameters(MATCHED) == sum(p.numel() for p in random_model(MATCHED).parameters())


@pytest.mark.parametrize(
    ("load", "chunks"),
    [
        pytest.param(Workload(LARGE, 64, 544, 960, TWO_BYTES), Chunks(8, 16384), marks=pytest.mark.slow),
        pytest.param(Workload(LARGE, 2, 544, 960), WHOLE, marks=pytest.mark.slow),
        (Workload(LARGE, 4, 256, 256), Chunks(2, 512)),
        (Workload(LARGE, 3, 128, 192), Chunks(1, 64)),
        (Workload(SMALL, 2, 256, 256), WHOLE),
        (Workload(SMALL, 2, 256, 256, TWO_BYTES), Chunks(1, 1024)),
    ],
)
def test_a_pass_holds_no_more_than_predicted_and_not_much_less(load: Workload, chunks: Chunks):
    held, predicted = held_by_pass(load, chunks), footprint(load, chunks).work
    assert held <= predicted <= 1.2 * held


def test_matching_holds_no_more_than_predicted():
    load = Workload(MATCHED, 3, 48, 64)
    assert held_by_pass(load, WHOLE) <= footprint(load, WHOLE).work


def test_many_views_cost_what_stays_of_them():
    """Tokens, raw numbers, and the Gaussians made of them (twice, while they are joined) grow with the views."""
    few, many = (footprint(Workload(LARGE, n, 544, 960, TWO_BYTES), Chunks(8, 16384)).work for n in (64, 128))
    raw = channels_of(LARGE.head, 0)
    stays = 64 * (8160 * 768 * 2 + 2040 * 768 * 4 + (3 + 2 * 14 + raw) * 4 * 272 * 480)
    assert many - few == pytest.approx(stays, rel=0.01)


def test_smaller_pieces_never_need_more():
    load = Workload(LARGE, 64, 544, 960, TWO_BYTES)
    needed = [footprint(load, Chunks(views, tokens)).work for views, tokens in ((64, 65536), (8, 8192), (1, 1024))]
    assert needed == sorted(needed, reverse=True)
