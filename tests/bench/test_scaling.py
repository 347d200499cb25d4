"""The scaling study on a small model: its laws, its predictions, its document."""

import dataclasses

import pytest
import torch

from ilrm_cli.bench import scaling, timing
from ilrm_cli.bench.model import noise_views
from ilrm_cli.bench.scaling_document import scaling_files
from ilrm_cli.bench.scaling_study import (
    PARTS,
    Case,
    Study,
    at_one_rate,
    exponent,
    fastest,
    grouped_flops,
    part_flops,
    summarised_flops,
    takeover_views,
    timed_parts,
)
from ilrm_cli.models.cost.flops import forward_stages, total_flops
from ilrm_cli.models.ilrm.config import PRESETS
from tests.support.small_models import published, random_model

TINY = published("dl3dv")


def test_exponents_of_powers():
    assert exponent([(x, 3 * x**1.5) for x in (2, 4, 8, 16)]) == pytest.approx(1.5)
    assert exponent([(1, 5.0), (10, 5.0)]) == pytest.approx(0)


def test_self_attention_is_half_of_all_operations_where_it_takes_over():
    config = PRESETS["dl3dv"].config
    views = takeover_views(config, 256, 256)
    before, after = (
        {stage.name: stage.flops for stage in forward_stages(config, round(views) + step, 256, 256)} for step in (-1, 1)
    )
    assert before["self attention"] < sum(before.values()) / 2
    assert after["self attention"] > sum(after.values()) / 2


def test_groups_of_all_views_buy_nothing():
    case = Case(12, 256, 256)
    everything = grouped_flops(TINY, case, None)
    assert grouped_flops(TINY, case, 12) == grouped_flops(TINY, case, 99) == everything
    assert grouped_flops(TINY, case, 4) < everything


def test_summaries_of_single_tokens_save_nothing():
    case = Case(12, 256, 256)
    assert summarised_flops(TINY, case, 4, 1) == pytest.approx(grouped_flops(TINY, case, None))
    fewer = grouped_flops(TINY, case, 4), summarised_flops(TINY, case, 4, 16), grouped_flops(TINY, case, None)
    assert list(fewer) == sorted(fewer)


def test_parts_have_all_operations():
    stages = forward_stages(TINY, 3, 32, 48)
    assert sum(part_flops(stages).values()) == total_flops(stages)


def test_parts_are_timed_inside_and_no_more_outside():
    model, views = random_model(TINY), noise_views(2, 48, 32, torch.device("cpu"))
    with timed_parts(model, torch.device("cpu")) as times, torch.no_grad():
        model([views])
    assert set(times.seconds) == set(PARTS)
    assert all(spent > 0 for spent in times.seconds.values())
    before = dict(times.seconds)
    with torch.no_grad():
        model([views])
    assert times.seconds == before


@pytest.fixture(scope="module")
def study() -> Study:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(timing.MATMUL_SIDE, "cpu", 64)
        patch.setattr(scaling, "SIZES_PREDICTED", ((32, 32), (64, 48)))
        return scaling.run_study(TINY, [Case(2, 32, 32), Case(4, 32, 32), Case(2, 64, 48)], rounds=1)


def test_what_was_measured_adds_up(study: Study):
    for found in study.measured:
        assert found.seconds == pytest.approx(sum(found.part_seconds.values()) + found.rest_seconds)
        assert found.flops == total_flops(forward_stages(TINY, found.case.views, found.case.height, found.case.width))


def test_the_shortest_of_each_counts(study: Study):
    """Where a product was slow, the pass beside it is no closer to its rate."""
    quiet = dataclasses.replace(study.measured[0], seconds=4.0, matmul_seconds=2.0, copy_seconds=1.0)
    slow_product = dataclasses.replace(quiet, seconds=5.0, matmul_seconds=6.0, copy_seconds=0.5)
    found = fastest([slow_product, quiet])
    assert (found.seconds, found.share, found.copy_seconds) == (4, 0.5, 0.5)


def test_times_compare_at_one_rate(study: Study):
    first, second = study.measured[0], study.measured[1]
    assert second.matmul_seconds / second.flops == pytest.approx(first.matmul_seconds / first.flops)
    loaded = dataclasses.replace(first, seconds=3 * first.seconds, matmul_seconds=3 * first.matmul_seconds)
    others = at_one_rate([first, first, loaded])
    assert others[2].seconds == pytest.approx(first.seconds)
    assert others[2].share == pytest.approx(first.share)


def test_predictions_follow_the_operations_at_the_measured_rate(study: Study):
    by_case = {found.case: found for found in study.predicted}
    largest = max(study.measured, key=lambda m: part_flops_of(m.case)["cross attention"])
    few, many = by_case[Case(2, 64, 48)], by_case[Case(256, 64, 48)]
    assert few.part_seconds["cross attention"] == pytest.approx(largest.part_seconds["cross attention"])
    assert many.part_seconds["cross attention"] == pytest.approx(128 * few.part_seconds["cross attention"])
    assert many.part_seconds["self attention"] > 128 * few.part_seconds["self attention"]
    assert many.full_attention_flops > many.flops


def part_flops_of(case: Case) -> dict[str, float]:
    return dict(part_flops(forward_stages(TINY, case.views, case.height, case.width)))


def test_the_document_shows_every_figure_and_chart(study: Study):
    files = scaling_files(study)
    text = files["SCALING.md"].decode()
    assert all(name in text for name in files if name.endswith(".png"))
    assert text.count("| 32x32 |") == 2 + 8 + 1 + 1  # measured, predicted, taken over, in groups
    assert len(files) == 5
    assert all(files[name]().startswith(b"\x89PNG") for name in files if name.endswith(".png"))
    for part in PARTS:
        assert f"| {part} |" in text


def test_the_json_has_no_objects(study: Study):
    found = study.as_json()
    assert found["measured"][0]["case"] == dataclasses.asdict(study.measured[0].case)
