"""Videos of every kind, and where none can be put."""

import resource
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy import ndarray
from PIL import Image

from ilrm_cli.render.checks import check_preview_output, check_trace_output, check_video_output
from ilrm_cli.render.video import WAITING, save_signed, write_behind, write_video
from ilrm_cli.runtime.errors import InputError
from tests.support.decoded import decoded


def moving_bar(count: int, width: int = 64, height: int = 48) -> Iterator[ndarray]:
    for i in range(count):
        frame = np.full((height, width, 3), (200, 60, 30), dtype=np.uint8)
        frame[:, 4 * i : 4 * i + 8] = (20, 90, 220)
        yield frame


def failing(count: int) -> Iterator[ndarray]:
    yield from moving_bar(count)
    raise RuntimeError("the renderer broke")


def test_mp4_is_what_players_want(tmp_path: Path) -> None:
    file = tmp_path / "a.mp4"
    assert write_video(file, moving_bar(9), fps=12.0) == 9
    about, frames = decoded(file)
    assert (about["size"], about["fps"], about["codec"]) == ((64, 48), 12, "h264")
    assert about["pix_fmt"].startswith("yuv420p(tv, bt709")
    assert len(frames) == 9
    for read, written in zip(frames, moving_bar(9), strict=True):  # away from edges the colours come back
        assert np.abs(read[20, 60].astype(int) - written[20, 60]).max() <= 6
    content = file.read_bytes()
    assert 0 < content.index(b"moov") < content.index(b"mdat")


def test_odd_sizes_lose_their_last_row_and_column(tmp_path: Path) -> None:
    file = tmp_path / "a.mp4"
    write_video(file, moving_bar(3, width=65, height=49), fps=10.0)
    assert decoded(file)[0]["size"] == (64, 48)


def test_gif_has_every_frame_and_loops(tmp_path: Path) -> None:
    file = tmp_path / "a.gif"
    assert write_video(file, moving_bar(7, width=33, height=21), fps=10.0) == 7
    with Image.open(file) as gif:
        assert (gif.size, gif.n_frames, gif.info["loop"], gif.info["duration"]) == ((33, 21), 7, 0, 100)
        for i, written in enumerate(moving_bar(7, width=33, height=21)):
            gif.seek(i)
            assert np.abs(np.asarray(gif.convert("RGB")).astype(int) - written).max() <= 4


def test_webp_has_every_frame_and_loops(tmp_path: Path) -> None:
    file = tmp_path / "a.webp"
    assert write_video(file, moving_bar(7, width=33, height=21), fps=10.0) == 7
    with Image.open(file) as film:
        assert (film.format, film.size, film.n_frames, film.info["loop"]) == ("WEBP", (33, 21), 7, 0)
        for i, written in enumerate(moving_bar(7, width=33, height=21)):
            film.seek(i)
            film.load()  # whose duration is known only then
            assert film.info["duration"] == 100
            difference = np.abs(np.asarray(film.convert("RGB")).astype(int) - written).mean(axis=(0, 2))
            assert np.median(difference) < 6  # colours run over by a pixel at edges, as in every lossy WebP


@pytest.mark.parametrize("name", ["frames", "frames.png"])
def test_png_frames_are_lossless(tmp_path: Path, name: str) -> None:
    assert write_video(tmp_path / name, moving_bar(3), fps=10.0) == 3
    names = sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*.png"))
    stem = "frames/" if name == "frames" else "frames_"
    assert names == [f"{stem}000{i}.png" for i in range(3)]
    for file, written in zip(names, moving_bar(3), strict=True):
        np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / file)), written)


def test_a_frame_is_written_while_the_next_is_drawn_and_few_wait() -> None:
    drawing_second, drawn, written = threading.Event(), [], []

    def frames() -> Iterator[ndarray]:
        for i in range(12):
            if i == 1:
                drawing_second.set()
            drawn.append(i)
            yield np.full((2, 2, 3), i, np.uint8)

    def write(frame: ndarray) -> None:
        assert drawing_second.wait(timeout=20)  # the first frame is not finished before the second is begun
        assert len(drawn) - len(written) <= WAITING + 2
        written.append(int(frame[0, 0, 0]))

    assert write_behind(write, frames()) == 12
    assert written == list(range(12))


def test_what_the_writer_raises_is_raised_and_ends_it() -> None:
    written: list[int] = []

    def write(frame: ndarray) -> None:
        written.append(1)
        if len(written) == 3:
            raise OSError("the disk is full")

    with pytest.raises(OSError, match="the disk is full"):
        write_behind(write, moving_bar(14))
    assert len(written) < 3 + WAITING + 1
    assert not any(thread.name.startswith("ilrm-video") for thread in threading.enumerate())


@pytest.mark.parametrize("name", ["a.mp4", "a"])
def test_an_interrupt_leaves_nothing(tmp_path: Path, name: str) -> None:
    def interrupted() -> Iterator[ndarray]:
        yield from moving_bar(4)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_video(tmp_path / name, interrupted(), fps=10.0)
    assert list(tmp_path.rglob("*")) == []
    assert not any(thread.name.startswith("ilrm-video") for thread in threading.enumerate())


@pytest.mark.parametrize("name", ["a.mp4", "a.gif", "a.webp", "a.png", "a"])
def test_a_failure_leaves_nothing(tmp_path: Path, name: str) -> None:
    with pytest.raises(RuntimeError, match="the renderer broke"):
        write_video(tmp_path / name, failing(4), fps=10.0)
    assert list(tmp_path.rglob("*")) == []


def test_a_failure_keeps_what_was_there(tmp_path: Path) -> None:
    file = tmp_path / "a.mp4"
    file.write_bytes(b"an older video")
    with pytest.raises(RuntimeError, match="the renderer broke"):
        write_video(file, failing(2), fps=10.0, overwrite=True)
    assert file.read_bytes() == b"an older video"
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("name", ["a.mp4", "a.gif", "a.webp", "a.png", "a"])
def test_what_exists_is_replaced_only_when_asked(tmp_path: Path, name: str) -> None:
    write_video(tmp_path / name, moving_bar(2), fps=10.0)
    with pytest.raises(InputError, match="exists; pass -w"):
        write_video(tmp_path / name, moving_bar(2), fps=10.0)
    assert write_video(tmp_path / name, moving_bar(2), fps=10.0, overwrite=True) == 2


@pytest.mark.parametrize(("output", "there"), [("a", "a/0007.png"), ("a.png", "a_0001.png")])
def test_any_numbered_frame_counts_as_existing(tmp_path: Path, output: str, there: str) -> None:
    """Photos named 0001.png and so on must not be replaced by frames unasked."""
    (tmp_path / there).parent.mkdir(exist_ok=True)
    (tmp_path / there).write_text("mine")
    with pytest.raises(InputError, match=rf"{there} exists; pass -w"):
        write_video(tmp_path / output, moving_bar(9), fps=10.0)
    assert (tmp_path / there).read_text() == "mine"


def noise(count: int) -> Iterator[ndarray]:
    draw = np.random.default_rng(0)
    for _ in range(count):
        yield draw.integers(0, 255, (240, 320, 3), dtype=np.uint8)


@pytest.mark.parametrize("name", ["a.mp4", "a.gif"])
@pytest.mark.parametrize("count", [3, 40])
def test_a_video_that_the_disk_cannot_hold_is_said_and_not_kept(tmp_path: Path, name: str, count: int) -> None:
    """A limit on file sizes stands in for a full disk; a few frames fail only when ffmpeg ends, many before."""
    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, before[1]))
    try:
        with pytest.raises(InputError, match=rf"cannot write .*{name}: (the disk is full|ffmpeg could not)"):
            write_video(tmp_path / name, noise(count), fps=10.0)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_keeps_its_other_files(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    write_video(tmp_path, moving_bar(2), fps=10.0)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["0000.png", "0001.png", "notes.txt"]


def test_outputs_that_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"unknown suffix; use \.mp4, \.gif, \.webp"):
        check_video_output(tmp_path / "a.avi", overwrite=False)
    (tmp_path / "b.mp4").mkdir()
    (tmp_path / "c").touch()
    with pytest.raises(InputError, match="is a folder"):
        check_video_output(tmp_path / "b.mp4", overwrite=True)
    with pytest.raises(InputError, match="is a file"):
        check_video_output(tmp_path / "c", overwrite=True)


def test_outputs_that_cannot_be_of_a_trace(tmp_path: Path) -> None:
    (tmp_path / "there.png").write_bytes(b"x")
    for name, reason in (
        ("trace.avi", r"one strip\) or no suffix"),
        ("--confidence", "is no place for a trace"),  # the option's value was forgotten
        ("there.png", "exists"),
        ("there.png/trace.mp4", "is not a folder"),
    ):
        with pytest.raises(InputError, match=reason):
            check_trace_output(tmp_path / name, overwrite=False)
    with pytest.raises(InputError, match="was not written by ilrm"):
        check_trace_output(tmp_path / "there.png", overwrite=True)
    save_signed(np.zeros((4, 4, 3), np.uint8), tmp_path / "there.png")
    check_trace_output(tmp_path / "there.png", overwrite=True)


def test_outputs_that_cannot_be_of_a_preview(tmp_path: Path) -> None:
    """A photo is never replaced, a preview of ours is."""
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(tmp_path / "there.jpg", comment=b"taken in spring")
    for name, reason in (("fit.mp4", r"--preview .*fit\.mp4: name a file that ends in \.jpg"), ("there.jpg", "exists")):
        with pytest.raises(InputError, match=reason):
            check_preview_output(tmp_path / name, overwrite=False)
    with pytest.raises(InputError, match="was not written by ilrm"):
        check_preview_output(tmp_path / "there.jpg", overwrite=True)
    save_signed(np.zeros((4, 4, 3), np.uint8), tmp_path / "there.jpg")
    check_preview_output(tmp_path / "there.jpg", overwrite=True)
