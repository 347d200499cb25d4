"""The benchmark measures what it says; the speeds themselves are for `make bench`."""

import json

import pytest

from ilrm_cli.bench.figures import Findings, encoded
from ilrm_cli.bench.timing import BenchRow, Job, Unit, copy_time_of, matmul_flops, matmul_time_of, measure, seconds
from ilrm_cli.runtime.progress import Step
from tests.support.bench_clock import Clock


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def test_seconds_of_one_run(clock: Clock):
    assert seconds(clock.work(3.0)) == 3


def test_every_job_is_timed_by_turns_with_its_unit(clock: Clock):
    unit = Unit("nothing much", clock.work(2.0))
    jobs = {
        "short": Job(clock.work(4.0), limit=2.0, unit=unit, limit_s=4.0),
        "long": Job(clock.work(8.0), limit=3.9, unit=unit),
        "too long": Job(clock.work(8.0), unit=unit, limit_s=7.9),
    }
    steps: list[Step] = []
    rows = measure(jobs, rounds=3, report=steps.append)
    assert [(row.name, row.unit) for row in rows] == [(name, "nothing much") for name in jobs]
    assert [(row.seconds, row.ratio, row.passed) for row in rows] == [(4, 2, True), (8, 4, False), (8, 4, False)]
    assert [(s.done, s.total) for s in steps] == [(1, 3), (2, 3), (3, 3)]


def test_the_median_counts_and_the_first_run_is_told_apart(clock: Clock):
    unit = Unit("nothing much", clock.work(1.0))
    row = measure({"job": Job(clock.work(50.0, 9.0, 2.0, 7.0, 3.0), unit=unit)}, rounds=3)[0]
    assert (row.cold_seconds, row.seconds, row.ratio) == (50, 3, 3)  # memory is taken from the second run


def test_a_ratio_counts_how_often_the_unit_fits_into_the_work(clock: Clock):
    work = Unit("four of them", clock.work(2.0), amount=4.0)
    (row,) = measure({"job": Job(clock.work(16.0), unit=work)}, rounds=1)
    assert row.ratio == 2


def test_units_state_the_work_that_they_stand_for():
    assert matmul_time_of(3 * matmul_flops()).amount == 3
    assert matmul_time_of(5e9).name == "its 5 GFLOP at the float32 matmul rate"
    copy = copy_time_of(1e9)
    assert copy.name == "its 1 GB at the rate of copying memory"
    assert abs(copy.amount - 1e9 / 2**29) < 1e-3  # 2²⁶ floats, read and written


def test_files_hold_the_rows_of_every_suite_and_what_they_drew():
    row = BenchRow("job", 1.0, "unit", 0.5, limit=1.0, limit_s=2.0)
    files = encoded(
        {"some": Findings((row,), {"exponent": 2}, {"a.png": lambda: b"picture", "A.md": b"text"})}, {"threads": 1}
    )
    content = json.loads(files["bench.json"])
    assert (content["machine"], content["suites"]["some"]["exponent"]) == ({"threads": 1}, 2)
    assert content["suites"]["some"]["rows"] == [row.as_json()]
    assert (files["a.png"], files["A.md"]) == (b"picture", b"text")
    assert files["some.png"].startswith(b"\x89PNG")
