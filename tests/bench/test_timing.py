"""The benchmark measures what it says; the speeds themselves are for `make bench`."""

import json
import time

from ilrm_cli.bench.findings import Findings, encoded
from ilrm_cli.bench.timing import Job, measure
from ilrm_cli.bench.units import Unit, copy_time_of, matmul_flops, matmul_time_of
from ilrm_cli.progress import Step

NOTHING = Unit("nothing much", lambda: time.sleep(0.01))


def test_a_job_twice_as_long_has_twice_the_seconds():
    jobs = {
        "short": Job(lambda: time.sleep(0.02), limit=100.0, unit=NOTHING),
        "long": Job(lambda: time.sleep(0.04), limit=1e-9, unit=NOTHING),
    }
    steps: list[Step] = []
    short, long = measure(jobs, rounds=3, report=steps.append)
    assert (short.name, short.unit) == ("short", "nothing much")
    assert 0.02 <= short.seconds < long.seconds
    assert (short.passed, long.passed) == (True, False)
    assert [(s.done, s.total) for s in steps] == [(1, 3), (2, 3), (3, 3)]


def test_a_ratio_counts_how_often_the_unit_fits_into_the_work():
    work = Unit("four of them", NOTHING.run, amount=4.0)
    one, four = measure({"one": Job(NOTHING.run, unit=NOTHING), "four": Job(NOTHING.run, unit=work)}, rounds=3)
    assert abs(one.ratio / four.ratio / 4 - 1) < 0.5


def test_the_first_run_is_told_apart():
    waits = iter([0.05] + 9 * [0.0])
    row = measure({"job": Job(lambda: time.sleep(next(waits)), unit=NOTHING)}, rounds=1)[0]
    assert row.cold_seconds is not None
    assert row.cold_seconds >= 0.05 > row.seconds


def test_units_state_the_work_that_they_stand_for():
    assert matmul_time_of(3 * matmul_flops()).amount == 3
    assert matmul_time_of(5e9).name == "its 5 GFLOP at the float32 matmul rate"
    copy = copy_time_of(1e9)
    assert copy.name == "its 1 GB at the rate of copying memory"
    assert abs(copy.amount - 1e9 / 2**29) < 1e-3  # 2²⁶ floats, read and written


def test_files_hold_the_rows_of_every_suite_and_what_they_drew():
    rows = measure({"job": Job(NOTHING.run, unit=NOTHING)}, rounds=1)
    findings = Findings(tuple(rows), {"exponent": 2}, {"chart.png": b"picture"})
    files = encoded({"some": findings}, {"threads": 1})
    content = json.loads(files["bench.json"])
    assert (content["machine"], content["suites"]["some"]["exponent"]) == ({"threads": 1}, 2)
    assert content["suites"]["some"]["rows"][0].keys() >= {"name", "unit", "ratio", "limit", "cold_seconds", "passed"}
    assert files["chart.png"] == b"picture"
    assert files["some.png"].startswith(b"\x89PNG")
