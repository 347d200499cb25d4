"""Every command that writes on a full disk, where nothing may be written, and twice at once at one place."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.killed_commands import Ended, Place
from tests.support.writing_commands import CASES, Trial

pytestmark = pytest.mark.slow

# Root may write anywhere; this way it may do no more than other people.
NO_POWERS = ("setpriv", "--bounding-set=-all", "--inh-caps=-all") if os.geteuid() == 0 else ()
MADE_OF_CACHE = ("reconstruct", "fit", "pose")


@pytest.fixture
def no_powers() -> tuple[str, ...]:
    """Return the words before a command that must heed the modes of folders."""
    if NO_POWERS and shutil.which(NO_POWERS[0]) is None:
        pytest.skip("nothing here takes its powers from root")
    return NO_POWERS


class Disk:
    """A small disk."""

    def __init__(self, folder: Path):
        self.folder = folder
        folder.mkdir()
        self._mount("size=4k")

    def _mount(self, options: str) -> None:
        command = ["mount", "-t", "tmpfs", "-o", options, "ilrm-test", str(self.folder)]
        if shutil.which("mount") is None or subprocess.run(command, capture_output=True).returncode:
            pytest.skip("no disk can be mounted here")

    def resize(self, size: int) -> None:
        """Give it as many bytes, in whole pages."""
        self._mount(f"remount,size={max(1, -(-size // 4096)) * 4096}")

    def end(self) -> None:
        subprocess.run(["umount", "--lazy", str(self.folder)], check=True)


@pytest.fixture
def disk(tmp_path) -> Iterator[Disk]:
    small = Disk(tmp_path / "disk")
    yield small
    small.end()


def require_sentence(ended: Ended) -> None:
    """Require that a command failed as one does whose machine does not allow it: with words for its user."""
    assert ended.status == 1, ended.err
    assert "Traceback" not in ended.err, ended.err
    said = ended.out + ended.err
    assert re.search(
        "cannot (write|be used|be read|be made)|not writable|may be full|exists; pass -w|holds files|is at work in",
        said,
    ), said


@pytest.mark.parametrize("name", CASES)
def test_a_disk_that_is_full_halfway(name, start, tmp_path, disk):
    trial = Trial(name, start, tmp_path / "trial")
    trial.start_over()
    trial.move(disk.folder / "out")
    disk.resize(trial.bytes // 2)
    require_sentence(trial.place.run(*trial.words))
    trial.place.require_whole()
    assert trial.place.hidden() == []
    assert trial.place.visible().keys() < trial.files.keys()
    disk.resize(64 << 20)
    trial.run_after()


@pytest.mark.parametrize("name", MADE_OF_CACHE)
def test_a_cache_on_a_full_disk(name, start, tmp_path, disk):
    trial = Trial(name, start, tmp_path / "trial")
    trial.start_over()
    trial.place.cache = disk.folder / "cache"
    (disk.folder / "file").write_bytes(bytes(4096))
    trial.run_after()


@pytest.mark.parametrize("name", MADE_OF_CACHE)
def test_a_cache_where_nothing_may_be_written(name, start, tmp_path, no_powers):
    trial = Trial(name, start, tmp_path)
    shutil.rmtree(trial.place.out)
    shutil.rmtree(trial.place.cache, ignore_errors=True)
    trial.place.cache.mkdir(mode=0o500)
    trial.again(before=no_powers)
    trial.require_all()
    assert list(trial.place.cache.iterdir()) == []


@pytest.mark.parametrize("name", CASES)
def test_a_folder_where_nothing_may_be_written(name, start, tmp_path, no_powers):
    place = Place(tmp_path / "place")
    (tmp_path / "locked").mkdir(mode=0o500)
    words = CASES[name].words(tmp_path / "locked" / "out", start)
    require_sentence(place.run(*words, before=no_powers))
    assert list((tmp_path / "locked").iterdir()) == []
    assert place.hidden() == []


@pytest.mark.parametrize("name", CASES)
def test_two_at_once_with_one_cache_and_one_output(name, start, tmp_path):
    trial = Trial(name, start, tmp_path)
    trial.start_over()
    runs = [trial.place.start(*trial.words) for _ in range(2)]
    ends = [Ended(run.wait(240), *run.communicate(), 0.0, False) for run in runs]
    for ended in ends:
        if ended.status:
            require_sentence(ended)
    assert 0 in [ended.status for ended in ends], ends[0].err
    trial.require_all()
    trial.run_after()
