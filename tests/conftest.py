"""Fixtures for all tests; shape annotations are checked in each, and OpenMP threads sleep while numba works."""

import dataclasses
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from jaxtyping import install_import_hook

import tests.support.typechecker  # noqa: F401  found by its name below

os.environ.setdefault("OMP_WAIT_POLICY", "passive")
install_import_hook("ilrm_cli", "tests.support.typechecker.check")

# Kernels that take longest to compile, in parts that take about as long: each worker would compile all that it needs.
KERNELS = (
    "from tests.support.warm_kernels import cast_rays; cast_rays()",
    "from tests.support.warm_kernels import draw_and_fit; draw_and_fit()",
)

SHARED = Path(__file__).resolve().parents[2] / "shared"


def pytest_sessionstart(session: pytest.Session) -> None:
    """Compile kernels side by side before several workers begin, unless the cache holds some already."""
    from ilrm_cli.runtime.cache import keep_numba_kernels

    if hasattr(session.config, "workerinput") or not session.config.getoption("numprocesses", None):
        return
    keep_numba_kernels()
    if not any(Path(os.environ["NUMBA_CACHE_DIR"]).rglob("*.nbi")):
        for process in [subprocess.Popen([sys.executable, "-c", statements]) for statements in KERNELS]:
            process.wait()


@pytest.fixture(scope="session")
def shared() -> Path:
    """Return the folder of reference data kept outside the repository; skip the test without it."""
    if not SHARED.is_dir():
        pytest.skip("the shared reference data is not here")
    return SHARED


@pytest.fixture(autouse=True)
def threads_as_before() -> Iterator[None]:
    """Undo a test's number of threads: records tell it, and other threads of the process keep the usual one."""
    import torch  # after the policy of its threads is set

    before = torch.get_num_threads()
    yield
    if torch.get_num_threads() != before:
        torch.set_num_threads(before)


@pytest.fixture
def tiny_efforts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let fits to all photos end after a few steps on small photos, whatever their quality is called."""
    from ilrm_cli.pipeline.optimize.fit import EFFORTS

    for name, effort in EFFORTS.items():
        monkeypatch.setitem(EFFORTS, name, dataclasses.replace(effort, steps=16, long_side_px=64))
