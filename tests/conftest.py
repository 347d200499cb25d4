"""Shape annotations are checked in every test; OpenMP threads sleep while numba works."""

import os
from pathlib import Path

import pytest
from jaxtyping import install_import_hook

import tests.typechecker  # noqa: F401  found by its name below

os.environ.setdefault("OMP_WAIT_POLICY", "passive")
install_import_hook("ilrm_cli", "tests.typechecker.check")

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """Reference data kept outside the repository; tests that need it are skipped without it."""
    if not SHARED.is_dir():
        pytest.skip("the shared reference data is not here")
    return SHARED
