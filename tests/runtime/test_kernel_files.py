"""Compiled kernels that are damaged, or that cannot be kept, are compiled again; nothing is written elsewhere."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """import sys
sys.path.insert(0, sys.argv[1])
import kernel_of_test as k
assert k.added(40, 2) == 42 and k.added(1.5, 2.0) == 3.5
print(sum(k.added.stats.cache_hits.values()), k.added._cache is not None)"""
MODULE = """from ilrm_cli.runtime.kernel_files import compiled
import ilrm_cli.runtime.kernels
def _added(a, b): return a + b
added = compiled(_added)"""


@pytest.fixture
def run(tmp_path):
    """Return a function that runs a kernel twice in a process of its own and returns how often files helped."""
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "kernel_of_test.py").write_text(MODULE)

    def ran(cache: Path) -> int:
        environment = os.environ | {"NUMBA_CACHE_DIR": str(cache), "PYTHONDONTWRITEBYTECODE": "1"}
        command = [sys.executable, "-c", SCRIPT, str(tmp_path / "source")]
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
        assert done.returncode == 0, done.stderr
        return int(done.stdout.split()[0])

    return ran


@pytest.mark.slow  # compiles again and again
def test_damaged_files_are_made_again(tmp_path, run):
    cache = tmp_path / "cache"
    assert run(cache) == 0
    assert run(cache) == 2
    files = [file for file in cache.rglob("*") if "kernel_of_test" in file.name]
    assert {file.suffix for file in files} == {".nbi", ".nbc"}
    for change in (lambda c: c[: len(c) // 2], lambda c: c[:-9] + b"\0" + c[-8:], lambda c: b"", lambda c: b"x" * 500):
        for file in files:
            file.write_bytes(change(file.read_bytes()))
        assert run(cache) == 0
        assert run(cache) == 2


def test_without_a_cache_nothing_is_written_beside_the_sources(tmp_path, run):
    (tmp_path / "cache").write_text("a file where a folder should be")
    assert run(tmp_path / "cache") == 0
    assert [path.name for path in (tmp_path / "source").rglob("*")] == ["kernel_of_test.py"]
