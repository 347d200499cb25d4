import os
import signal
import socket
import subprocess
import sys
import tempfile
import time

import pytest

from ilrm_cli.runtime.files import PREFIX, STALE_FOLDER_S, has_ended, scratch_folder, this_process
from tests.support.photographed import cameras_on_an_arc, save_photos


def ended_process() -> int:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid


def test_it_is_empty_and_gone_at_the_end_also_where_it_was_moved_or_the_work_failed(tmp_path):
    with scratch_folder(tmp_path) as folder:
        assert (folder.parent, list(folder.iterdir())) == (tmp_path, [])
        (folder / "x").mkdir()
    with scratch_folder(tmp_path) as moved:
        moved.rename(tmp_path / "kept")
    with pytest.raises(KeyboardInterrupt), scratch_folder(tmp_path):
        raise KeyboardInterrupt
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def test_who_has_ended():
    assert has_ended(f"{socket.gethostname()}.{ended_process()}")
    assert not has_ended(this_process())
    assert not has_ended(f"elsewhere.{ended_process()}")
    assert not has_ended("nonsense")


def test_only_what_is_left_over_is_swept(tmp_path):
    host, ended = socket.gethostname(), ended_process()
    stays = {
        f"{PREFIX}{host}.{ended}.a": False,
        f"{PREFIX}{this_process()}.b": True,
        f"{PREFIX}elsewhere.{ended}.c": True,
        f"{PREFIX}elsewhere.{ended}.d": False,  # for longer than anything takes
        f"notes.{host}.{ended}.e": True,
    }
    for name in stays:
        (tmp_path / name).mkdir()
        (tmp_path / name / "database.db").write_bytes(b"x")
    long_ago = time.time() - STALE_FOLDER_S - 60
    os.utime(tmp_path / f"{PREFIX}elsewhere.{ended}.d", (long_ago, long_ago))
    with scratch_folder(tmp_path):
        assert {name: (tmp_path / name).exists() for name in stays} == stays


@pytest.mark.slow
def test_structure_from_motion_that_was_killed_leaves_nothing_after_the_next_start(tmp_path, monkeypatch):
    save_photos(tmp_path / "photos", cameras_on_an_arc(8))
    for folder in ("scratch", "cache"):
        (tmp_path / folder).mkdir()
    scratch = tmp_path / "scratch"
    environment = os.environ | {"TMPDIR": str(scratch), "ILRM_CACHE": str(tmp_path / "cache")}
    command = [sys.executable, "-m", "ilrm_cli.cli.app", "pose", tmp_path / "photos", "-o", tmp_path / "out", "-q"]
    process = subprocess.Popen(command, env=environment)
    while not any(path.stat().st_size for path in scratch.glob("*/database.db")):
        assert process.poll() is None, "it ended before it could be killed"
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert len(list(scratch.glob("*/database.db"))) == 1, "nothing to sweep: the test shows nothing"
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    with scratch_folder() as folder:
        assert list(scratch.iterdir()) == [folder]
    assert not (tmp_path / "out").exists()
    subprocess.run(command, env=environment, check=True)
    assert list(scratch.iterdir()) == []
    assert (tmp_path / "out" / "transforms.json").is_file()
