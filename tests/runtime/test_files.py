"""Outputs appear whole or not at all, and temporary folders go."""

import errno
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from ilrm_cli.runtime.errors import InputError
from ilrm_cli.runtime.files import (
    PREFIX,
    STALE_FOLDER_S,
    atomic_write,
    atomic_write_all,
    check_output,
    filling,
    has_ended,
    replacing,
    replacing_folder,
    replacing_pair,
    scratch_folder,
    this_process,
)
from tests.support.photographed import cameras_on_an_arc, save_photos


def test_nothing_is_written_in_place_of_the_root():
    with pytest.raises(InputError, match="is the root of all folders"):
        check_output(Path("/"), overwrite=True)


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
        assert (part.parent.parent, part.name) == (tmp_path, "a.mp4")
    assert file.read_bytes() == b"half"


def interrupted_file(path: Path) -> None:
    with replacing(path) as part:
        part.write_bytes(b"half")
        raise KeyboardInterrupt


def written(record: Path, scene: Path, content: bytes) -> None:
    with replacing_pair(record, scene) as parts:
        for part in parts:
            part.write_bytes(content)
    assert (record.read_bytes(), scene.read_bytes()) == (content, content)


@pytest.mark.parametrize(
    ("older", "failing"),
    [
        (False, "a.json"),
        (False, "a.ply"),
        *((True, name) for name in ("a.json", "a.ply", "older a.json", "older a.ply")),
    ],
)
def test_of_two_files_the_last_is_never_there_without_its_own_first_and_older_ones_come_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, older: bool, failing: str
) -> None:
    record, scene = tmp_path / "a.json", tmp_path / "a.ply"
    if older:
        written(record, scene, b"one")
    before, renamed = {path.name: path.read_bytes() for path in tmp_path.iterdir()}, os.replace
    ended = list[str]()

    def stopped(source: Path, target: Path) -> None:
        assert record not in (source, target) or not scene.exists()
        renamed(source, target)
        if target.name == failing and failing not in ended:
            ended.append(failing)
            raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", stopped)
    with pytest.raises(KeyboardInterrupt):
        written(record, scene, b"two")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


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


def test_files_that_belong_together_are_all_there_or_none_and_the_first_is_last(tmp_path: Path, monkeypatch) -> None:
    files = {tmp_path / name: name.encode() for name in ("m.obj", "m.mtl", "m.png")}
    order, moved = [], os.replace
    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", lambda source, target: order.append(Path(target).name) or moved(source, target))
        atomic_write_all(files)
    assert order == ["m.png", "m.mtl", "m.obj"]
    assert [path.read_bytes() for path in files] == [b"m.obj", b"m.mtl", b"m.png"]
    (tmp_path / "m.png").unlink()
    (tmp_path / "m.png").symlink_to("elsewhere")
    with pytest.raises(InputError, match="is a link"):
        atomic_write_all(dict.fromkeys(files, b"new"))
    assert [path.read_bytes() for path in list(files)[:2]] == [b"m.obj", b"m.mtl"]


@pytest.mark.parametrize("whole", [filling, replacing_folder])
def test_what_a_killed_process_left_is_no_hindrance_and_goes(tmp_path: Path, whole) -> None:
    folder = tmp_path / "poses"
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    left = tmp_path / f"{PREFIX}{socket.gethostname()}.{ended.pid}.x"
    (left / "new").mkdir(parents=True)
    with whole(folder) as part:
        (part / "a.txt").write_text("whole")
    assert {path.name: path.read_text() for path in folder.iterdir()} == {"a.txt": "whole"}
    assert list(tmp_path.iterdir()) == [folder]
    left.mkdir()  # by one that was killed when the folder was there
    with whole(folder) as part:
        (part / "a.txt").write_text("whole")
    assert list(tmp_path.iterdir()) == [folder]


# Links


@pytest.mark.parametrize("leads", ["to a file", "nowhere"])
def test_links_in_the_place_of_outputs_are_neither_replaced_nor_written_through(tmp_path: Path, leads) -> None:
    mine, link = tmp_path / "mine.txt", tmp_path / "a.ply"
    if leads == "to a file":
        mine.write_text("mine")
    link.symlink_to(mine)
    with pytest.raises(InputError, match=r"a\.ply is a link"):
        check_output(link, overwrite=True)
    with pytest.raises(InputError, match=r"a\.ply is a link"):
        atomic_write(link, b"ours")
    assert link.is_symlink()
    assert mine.exists() == (leads == "to a file")


def test_a_folder_that_is_a_link_is_not_replaced_and_links_inside_a_filled_one_stay(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "mine", target_is_directory=True)
    with pytest.raises(InputError, match="is a link"), replacing_folder(tmp_path / "link"):
        pass
    (tmp_path / "mine" / "0.png").symlink_to(tmp_path / "elsewhere.png")
    with pytest.raises(InputError, match="is a link"), filling(tmp_path / "mine") as part:
        (part / "0.png").write_bytes(b"ours")
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["0.png"]


def test_nobody_can_guess_where_a_part_is_written(tmp_path: Path) -> None:
    with replacing(tmp_path / "a.ply") as one, replacing(tmp_path / "a.ply") as other:
        assert one != other
        assert one.parent.stat().st_mode & 0o077 == 0
        one.write_bytes(b"1")
        other.write_bytes(b"2")
    assert (tmp_path / "a.ply").stat().st_mode & 0o777 == 0o666 & ~umask()


def umask() -> int:
    now = os.umask(0)
    os.umask(now)
    return now


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_is_a_sentence_and_a_bug_is_not(tmp_path: Path, number: int) -> None:
    why = os.strerror(number)
    with pytest.raises(InputError, match=rf"cannot write .*a\.ply: {why}"), replacing(tmp_path / "a.ply"):
        raise OSError(number, why)
    with pytest.raises(ConnectionResetError), replacing(tmp_path / "a.ply"):
        raise ConnectionResetError


def test_a_missing_folder_is_made_when_something_is_written_and_goes_if_that_fails(tmp_path: Path) -> None:
    output = tmp_path / "new" / "inner" / "a.ply"
    check_output(output, overwrite=False)
    with pytest.raises(KeyboardInterrupt), replacing(output):
        raise KeyboardInterrupt
    assert not (tmp_path / "new").exists()
    atomic_write(output, b"scene")
    assert [path.name for path in output.parent.iterdir()] == ["a.ply"]


def test_a_file_in_the_place_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "none").touch()
    for call in (lambda p: atomic_write(p, b""), lambda p: check_output(p, overwrite=False)):
        with pytest.raises(InputError, match=r"none, where a\.ply would be written, is not a folder"):
            call(tmp_path / "none" / "inner" / "a.ply")


def test_a_name_that_is_too_long_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="too long for its folder"):
        check_output(tmp_path / f"{'ä' * 130}.ply", overwrite=False)
    check_output(tmp_path / f"{'a' * 250}.ply", overwrite=False)
    atomic_write(tmp_path / f"{'a' * 250}.ply", b"")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_is_not_writable(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(InputError, match="not writable"):
        check_output(tmp_path / "a.ply", overwrite=False)


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
        f"{PREFIX}{this_process()}.long": True,  # a film of more than a day
        f"{PREFIX}elsewhere.{ended}.c": True,
        f"{PREFIX}elsewhere.{ended}.d": False,  # for longer than anything takes
        f"notes.{host}.{ended}.e": True,
    }
    for name in stays:
        (tmp_path / name).mkdir()
        (tmp_path / name / "database.db").write_bytes(b"x")
    long_ago = time.time() - STALE_FOLDER_S - 60
    for process in (f"{this_process()}.long", f"elsewhere.{ended}.d"):
        os.utime(tmp_path / f"{PREFIX}{process}", (long_ago, long_ago))
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
