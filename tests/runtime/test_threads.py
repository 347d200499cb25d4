import time

import pytest

from ilrm_cli.runtime.progress import Step
from ilrm_cli.runtime.threads import in_threads


def test_results_keep_their_order_and_every_one_is_reported():
    steps: list[Step] = []

    def slow_first(item: int) -> int:
        time.sleep(0.02 if item == 0 else 0)
        return item * item

    assert in_threads(slow_first, range(5), "squares", steps.append) == [0, 1, 4, 9, 16]
    assert [(step.stage, step.done, step.total) for step in steps] == [("squares", i, 5) for i in range(6)]


def test_errors_come_through():
    with pytest.raises(ZeroDivisionError):
        in_threads(lambda item: 1 // item, [1, 0])
