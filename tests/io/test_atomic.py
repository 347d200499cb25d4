import errno
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from ilrm_cli.errors import InputError
from ilrm_cli.io.atomic import atomic_write, check_output, filling, remove_leftovers, replacing, replacing_folder


def test_a_file_is_written_and_replaced(tmp_path: Path) -> None:
    file = tmp_path / "a.ply"
    atomic_write(file, b"one")
    atomic_write(file, b"two")
    assert file.read_bytes() == b"two"
    assert list(tmp_path.iterdir()) == [file]


def test_nothing_is_seen_before_the_end(tmp_path: Path) -> None:
    file = tmp_path / "a.mp4"
    with replacing(file) as part:
        part.write_bytes(b"half")
        assert not file.exists()
        assert (part.parent, part.suffix) == (tmp_path, ".mp4")
    assert file.read_bytes() == b"half"


def interrupted_file(path: Path) -> None:
    with replacing(path) as part:
        part.write_bytes(b"half")
        raise KeyboardInterrupt


def interrupted_folder(path: Path) -> None:
    with filling(path) as part:
        (part / "0.png").write_bytes(b"half")
        raise KeyboardInterrupt


def test_an_interrupted_write_leaves_no_trace(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        interrupted_file(tmp_path / "a.ply")
    with pytest.raises(KeyboardInterrupt):
        interrupted_folder(tmp_path / "frames")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("whole", [filling, replacing_folder])
def test_what_a_killed_process_of_the_same_number_left_is_no_hindrance(tmp_path: Path, whole) -> None:
    """In containers that start again every run has the same number."""
    folder = tmp_path / "poses"
    with whole(folder) as part:
        (part / "a.txt").write_text("first")
    folder.rename(part)
    with whole(folder) as again:
        assert again == part
        assert not list(again.iterdir())
        (again / "a.txt").write_text("second")
    assert {path.name: path.read_text() for path in folder.iterdir()} == {"a.txt": "second"}


def test_a_full_disk_is_a_sentence_and_a_bug_is_not(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot write .*a\.ply: No space left"), replacing(tmp_path / "a.ply"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with pytest.raises(ConnectionResetError), replacing(tmp_path / "a.ply"):
        raise ConnectionResetError


def test_missing_folder(tmp_path: Path) -> None:
    for call in (lambda p: atomic_write(p, b""), lambda p: check_output(p, overwrite=False)):
        with pytest.raises(InputError, match=r"none of the output a\.ply does not exist"):
            call(tmp_path / "none" / "a.ply")


def test_a_name_that_is_too_long_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="too long for its folder"):
        check_output(tmp_path / f"{'ä' * 100}.ply", overwrite=False)
    check_output(tmp_path / f"{'a' * 100}.ply", overwrite=False)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_is_not_writable(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(InputError, match="not writable"):
        check_output(tmp_path / "a.ply", overwrite=False)


def test_leftovers_of_ended_processes_are_removed_and_others_stay(tmp_path: Path) -> None:
    host = socket.gethostname()
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    names = {
        f".a.{host}.{ended.pid}.part.ply": False,
        f".a.{host}.{os.getpid()}.part.ply": True,  # it runs
        f".a.elsewhere.{ended.pid}.part.ply": True,  # nobody knows from here
        f".b.{host}.{ended.pid}.part.ply": True,  # of another file
        "a.ply": True,
    }
    for name in names:
        (tmp_path / name).touch()
    remove_leftovers(tmp_path / "a.ply")
    assert {name: (tmp_path / name).exists() for name in names} == names


def test_a_leftover_of_another_machine_is_removed_when_it_is_old(tmp_path: Path) -> None:
    part = tmp_path / ".a.elsewhere.1.part.ply"
    part.touch()
    os.utime(part, (0, 0))
    remove_leftovers(tmp_path / "a.ply")
    assert not part.exists()
