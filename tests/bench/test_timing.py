"""The benchmark measures what it says; the speeds themselves are for `make bench`."""

import time

from ilrm_cli.bench import timing
from ilrm_cli.progress import Step


def test_a_job_twice_as_long_has_twice_the_seconds():
    jobs = {"short": (lambda: time.sleep(0.02), 100.0), "long": (lambda: time.sleep(0.04), 1e-9)}
    steps: list[Step] = []
    short, long = timing.measure(jobs, rounds=3, report=steps.append)
    assert short.name == "short"
    assert 0.02 <= short.seconds < long.seconds
    assert (short.passed, long.passed) == (True, False)
    assert [(s.done, s.total) for s in steps] == [(1, 3), (2, 3), (3, 3)]
