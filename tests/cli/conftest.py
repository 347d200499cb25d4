import os
import shutil
from pathlib import Path

import pytest

from ilrm_cli.runtime.cache import keep_numba_kernels

SAMPLES = Path(__file__).parents[2] / "sample_scenes"


@pytest.fixture
def posed(tmp_path) -> Path:
    """Return a copy of the sample scene with a COLMAP model, for tests to damage at will."""
    folder = tmp_path / "posed"
    shutil.copytree(SAMPLES / "posed", folder)
    return folder


@pytest.fixture(scope="session")
def made(tmp_path_factory) -> tuple[Path, dict]:
    """Make one small real reconstruction with its reports beside it; return its path and the JSON of --json."""
    from tests.support.command_line import ilrm

    output = tmp_path_factory.mktemp("made") / "scene.ply"
    reports = ("--report", output.with_name("report.html"), "--report", output.with_name("report.json"))
    options = ("--views", "4", "--size", "96", "--refine", "5", "--auto-scale", "--json")
    outcome = ilrm("reconstruct", SAMPLES / "posed", "-o", output, *options, *reports)
    assert outcome.status == 0, outcome.err
    return output, outcome.json


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory):
    """Keep the cache of structure from motion in a folder of this session; compiled kernels stay where they are."""
    keep_numba_kernels()
    before = os.environ.get("ILRM_CACHE")
    os.environ["ILRM_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    yield
    os.environ.pop("ILRM_CACHE")
    if before is not None:
        os.environ["ILRM_CACHE"] = before


@pytest.fixture(scope="session")
def start(tmp_path_factory) -> Path:
    """Make what commands in processes of their own start from, see `writing_commands`."""
    from tests.support.writing_commands import make_start

    return make_start(tmp_path_factory.mktemp("start"))
