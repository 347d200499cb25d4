"""Videos that would fill the disk, read other files or take hours: bounded, or one sentence."""

import subprocess
import time
from pathlib import Path

import imageio_ffmpeg
import pytest

from ilrm_cli.capture.photos.folder import VideoChoice
from ilrm_cli.capture.photos.video import MIN_FRAMES, frames_of_video
from ilrm_cli.runtime.errors import InputError

FAR = "setpts='if(gte(N,{n}),PTS+100000/TB,PTS)'"


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ILRM_CACHE", str(tmp_path / "cache"))


def made(file: Path, source: str, *options: str) -> Path:
    program = imageio_ffmpeg.get_ffmpeg_exe()
    command = [program, "-nostdin", "-loglevel", "error", "-f", "lavfi", "-i", source, *options, f"file:{file}"]
    subprocess.run(command, check=True)
    return file


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
def test_a_gap_in_the_time_stamps_is_not_filled(tmp_path, suffix):
    gap = FAR.format(n=10)
    video = made(
        tmp_path / f"a{suffix}", "testsrc=size=64x48:rate=10:duration=2", "-vf", gap, "-fps_mode", "passthrough"
    )
    begun = time.process_time()
    files, _ = frames_of_video(video, VideoChoice())
    assert 10 <= len(files) <= 30
    assert float(files[-1].stem.removesuffix("s")) < 4
    assert time.process_time() - begun < 5


def test_a_long_video_of_few_bytes_is_used_in_part(tmp_path, monkeypatch):
    monkeypatch.setattr("ilrm_cli.capture.photos.video.ALL_READ_PIXELS", 64 * 48 * 30)
    monkeypatch.setattr("ilrm_cli.capture.photos.video.ALL_PIXELS_PER_BYTE", 0)
    video = made(tmp_path / "a.mp4", "testsrc=size=64x48:rate=10:duration=20")
    files, warnings = frames_of_video(video, VideoChoice())
    assert MIN_FRAMES <= len(files) <= 30
    assert warnings == ["a.mp4 is longer than its few bytes explain; its first 3.0 s are used."]


def test_enormous_frames_of_few_bytes_are_refused(tmp_path):
    video = made(tmp_path / "a.mp4", "color=black:size=8192x6144:rate=10:duration=0.1", "-preset", "ultrafast")
    assert video.stat().st_size < 200_000
    with pytest.raises(InputError, match="cannot be read as a video"):
        frames_of_video(video, VideoChoice())


@pytest.mark.parametrize(
    "text",
    [
        "ffconcat version 1.0\nfile {secret}\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{secret}\n#EXT-X-ENDLIST\n",
    ],
)
def test_lists_of_other_files_are_no_videos(tmp_path, text):
    secret = made(tmp_path / "secret.mkv", "testsrc=size=64x48:rate=10:duration=1")
    (tmp_path / "a.mp4").write_text(text.format(secret=secret))
    with pytest.raises(InputError, match=r"a\.mp4 cannot be read as a video \(it is damaged or none\)"):
        frames_of_video(tmp_path / "a.mp4", VideoChoice())


@pytest.mark.parametrize("name", ["10:30.mp4", "tcp:", "-i.mp4", "a|b.mp4", "%03d.mp4"])
def test_names_are_no_protocols_options_or_patterns(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    folder = Path(name) if name == "tcp:" else Path()
    folder.mkdir(exist_ok=True)
    video = folder / (name if folder == Path() else "a.mp4")
    made(video, "testsrc=size=64x48:rate=10:duration=1")
    assert frames_of_video(video, VideoChoice())[0]
