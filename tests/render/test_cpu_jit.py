"""Kernels are compiled once and their shares cover a range exactly."""

import threading

import numpy as np
import pytest

from ilrm_cli.render import cpu
from ilrm_cli.render.cpu_jit import in_parallel


@pytest.mark.parametrize(("total", "share"), [(0, 4), (1, 4), (4, 4), (103, 4), (103, 1000)])
def test_shares_cover_the_range_once(total: int, share: int):
    visits, lock = np.zeros(total, np.int64), threading.Lock()

    def kernel(start: int, stop: int, step: int) -> None:
        assert start % share == 0
        with lock:
            visits[start:stop] += step

    in_parallel(kernel, total, share, 3)
    assert (visits == 3).all()


def test_an_error_in_a_share_is_raised():
    def kernel(start: int, stop: int) -> None:
        if start == 8:
            raise ValueError("share 8")

    with pytest.raises(ValueError, match="share 8"):
        in_parallel(kernel, 40, 4)


def test_after_warming_up_kernels_are_cached():
    cpu.warm_up(gradients=True)
    assert cpu.is_compiled()
