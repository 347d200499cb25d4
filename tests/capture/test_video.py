import subprocess
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest
from PIL import Image, ImageFilter

from ilrm_cli.capture.filter_photos import find_photo_set
from ilrm_cli.capture.photos.folder import VideoChoice, open_folder
from ilrm_cli.capture.photos.pixels import read_photo
from ilrm_cli.capture.photos.video import MIN_FRAMES, choose_frames, frames_of_video, transfer_of
from ilrm_cli.render.video import write_video
from ilrm_cli.runtime.errors import InputError
from tests.support.photographed import texture

WIDE, HIGH = 160, 120  # px


def pan(shifts: list[int]) -> list[np.ndarray]:
    """Return frames of a camera that has moved along a wall by these shifts in pixels."""
    return [np.roll(texture(3), -shift, axis=1)[:HIGH, :WIDE] for shift in shifts]


def film(folder: Path, frames: list[np.ndarray], fps: float = 10.0) -> Path:
    write_video(folder / "my walk.mp4", frames, fps)
    return folder / "my walk.mp4"


def times(files: list[Path]) -> list[float]:
    return [float(file.stem.removesuffix("s")) for file in files]


# Choosing


def moved_to(places: np.ndarray) -> np.ndarray:
    """Return how far each frame of a camera at these places is from the previous one."""
    return np.diff(places, prepend=places[:1]).astype(np.float32)


def test_frames_are_equally_far_apart_in_motion_not_in_time():
    """The camera stands still for half of the time, then moves evenly."""
    places = np.concatenate([np.zeros(200), np.linspace(0, 24, 200)])
    chosen = choose_frames(moved_to(places), np.ones(400, dtype=np.float32), VideoChoice())
    taken = places[chosen]
    assert (taken == 0).sum() <= 2
    assert 30 <= len(chosen) <= 40  # 24 in steps of 0.6, less what counts as noise
    steps = np.diff(taken[taken > 0])
    assert steps.max() < 2 * steps.min()


def test_the_sharpest_of_neighbours_is_taken():
    sharpness = np.where(np.arange(200) % 5 == 3, 2.0, 1.0).astype(np.float32)
    moved = moved_to(np.linspace(0, 6, 200))
    assert all(sharpness[choose_frames(moved, sharpness, VideoChoice())] == 2)
    by_time = choose_frames(moved, sharpness, VideoChoice(fps=2.0))
    assert by_time == list(range(3, 200, 5))


@pytest.mark.parametrize("choice", [VideoChoice(max_frames=12), VideoChoice(fps=1.0, max_frames=12)])
def test_never_more_than_asked_for_and_evenly(choice):
    places = np.linspace(0, 24, 400)
    chosen = choose_frames(moved_to(places), np.ones(400, dtype=np.float32), choice)
    assert len(chosen) == 12
    assert np.ptp(np.diff(places[chosen])) < 0.5


def test_a_camera_that_hardly_moves_still_gives_enough_frames():
    places = np.linspace(0, 0.1, 100)
    assert len(choose_frames(moved_to(places), np.ones(100, dtype=np.float32), VideoChoice())) == MIN_FRAMES
    one = choose_frames(moved_to(places[:1]), np.ones(1, dtype=np.float32), VideoChoice())
    assert one == [0]


# Reading


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """Give each test a cache of its own."""
    monkeypatch.setenv("ILRM_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_frames_are_the_pictures_of_the_video_and_kept_for_the_next_run(tmp_path, monkeypatch):
    frames = pan([4 * i for i in range(40)])
    video = film(tmp_path, frames)
    files, warnings = frames_of_video(video, VideoChoice())
    assert warnings == []
    assert MIN_FRAMES <= len(files) <= 40
    for file, time in zip(files, times(files), strict=True):
        shown = frames[round(10 * time)].astype(int)
        assert np.abs(read_photo(file).astype(int) - shown).mean() < 8
    monkeypatch.setattr("ilrm_cli.capture.photos.video._write_frames", None)
    assert frames_of_video(video, VideoChoice()) == (files, warnings)
    with pytest.raises(TypeError):  # other options, other frames
        frames_of_video(video, VideoChoice(fps=1.0))
    assert [entry.name for entry in (tmp_path / "cache" / "frames").iterdir()] == [files[0].parent.name]


@pytest.mark.parametrize("oblong", ["4/3", "3/4", "100"])
def test_pixels_that_are_not_square_are_made_so(tmp_path, oblong):
    """As camcorders squeeze wide pictures; a ratio that no camera has is passed over."""
    video = film(tmp_path, pan([4 * i for i in range(10)]))
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-loglevel", "error", "-i", video]
    squeezed = {"4/3": "scale=iw*3/4:ih,", "3/4": "scale=iw:ih*3/4,", "100": ""}[oblong]
    subprocess.run([*command, "-vf", f"{squeezed}setsar={oblong}", "-c:v", "libx264", tmp_path / "a.mts"], check=True)
    ours, plain = (frames_of_video(path, VideoChoice(fps=10.0))[0] for path in (tmp_path / "a.mts", video))
    shown, expected = read_photo(ours[0]).astype(int), read_photo(plain[0]).astype(int)
    assert shown.shape == expected.shape == (HIGH, WIDE, 3)
    assert np.abs(shown - expected).mean() < 12


def test_frames_woven_from_two_fields_show_one_moment(tmp_path):
    """As AVCHD camcorders film: the even rows are of another moment than the odd ones."""
    frames = pan([6 * i for i in range(20)])
    woven = [first.copy() for first in frames[::2]]
    for frame, second in zip(woven, frames[1::2], strict=True):
        frame[1::2] = second[1::2]
    raw = b"".join(frame.tobytes() for frame in woven)
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-loglevel", "error", "-f", "rawvideo", "-pix_fmt", "rgb24"]
    command += ["-s", f"{WIDE}x{HIGH}", "-r", "10", "-i", "-", "-vf", "setfield=tff,scale=interl=1,format=yuv420p"]
    coded = ["-c:v", "libx264", "-flags", "+ildct+ilme", "-x264opts", "tff=1", "-crf", "5", tmp_path / "a.mts"]
    subprocess.run([*command, *coded], input=raw, check=True)
    files, _ = frames_of_video(tmp_path / "a.mts", VideoChoice(fps=10.0))
    errors = [
        np.abs(read_photo(file).astype(int) - frames[2 * round(10 * time)]).mean()
        for file, time in zip(files, times(files), strict=True)
    ]
    combed = np.abs(woven[0].astype(int) - frames[0]).mean()
    assert np.mean(errors) < 0.5 * combed, (errors, combed)


def test_a_video_shorter_than_a_step_gives_one_frame(tmp_path):
    files, warnings = frames_of_video(film(tmp_path, pan([4 * i for i in range(20)])), VideoChoice(fps=0.01))
    assert (len(files), warnings) == (1, [])


def test_blurred_frames_are_avoided(tmp_path):
    """Every other frame is out of focus."""
    frames = pan([3 * i for i in range(40)])
    blurred = [np.asarray(Image.fromarray(frame).filter(ImageFilter.GaussianBlur(3))) for frame in frames]
    video = film(tmp_path, [blurred[i] if i % 2 else frames[i] for i in range(40)])
    files, _ = frames_of_video(video, VideoChoice(fps=2.0))
    assert len(files) == 8
    assert all(round(10 * time) % 2 == 0 for time in times(files))


def test_a_cut_video_is_used_as_far_as_it_goes_and_no_video_is_named(tmp_path):
    video = film(tmp_path, pan([4 * i for i in range(40)]))
    whole = video.read_bytes()
    video.write_bytes(whole[: len(whole) * 2 // 3])  # the header stands first
    files, warnings = frames_of_video(video, VideoChoice())
    assert files
    assert "my walk.mp4 is damaged; the" in warnings[0]
    assert max(times(files)) < 3.5
    for content in (b"", b"hello" * 999):
        video.write_bytes(content)
        with pytest.raises(InputError, match=r"my walk\.mp4 cannot be read as a video"):
            frames_of_video(video, VideoChoice())
    assert len(list((tmp_path / "cache" / "frames").iterdir())) == 1


def test_damaged_frames_are_made_again(tmp_path):
    video = film(tmp_path, pan([4 * i for i in range(20)]))
    files, _ = frames_of_video(video, VideoChoice())
    before = [file.read_bytes() for file in files]
    files[0].write_bytes(before[0][:100])
    files[1].unlink()
    assert frames_of_video(video, VideoChoice()) == (files, [])
    assert [file.read_bytes() for file in files] == before


def test_a_cache_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(InputError, match="set ILRM_CACHE"):
        frames_of_video(film(tmp_path, pan([0, 4])), VideoChoice())


@pytest.mark.parametrize(("transfer", "kind"), [("arib-std-b67", "HLG"), ("smpte2084", "PQ")])
def test_high_dynamic_range_gives_the_frames_of_the_same_video_without(tmp_path, transfer, kind):
    """The video is turned into ten bits and BT.2020 with white at 203 cd/m², as ITU-R BT.2408 has it."""
    plain = film(tmp_path, pan(list(range(0, 40, 4))))
    to_hdr = (
        "zscale=tin=bt709:pin=bt709:min=bt709:rin=tv:t=linear:npl=203,format=gbrpf32le,zscale=p=bt2020,"
        f"zscale=t={transfer}:m=bt2020nc:r=tv:npl=203,format=yuv420p10le"
    )
    colors = f"log-level=none:colorprim=bt2020:transfer={transfer}:colormatrix=bt2020nc:range=limited"
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-loglevel", "error", "-i", plain, "-vf", to_hdr, "-c:v", "libx265"]
    tags = ["-color_primaries", "bt2020", "-color_trc", transfer, "-colorspace", "bt2020nc"]
    subprocess.run([*command, "-x265-params", colors, "-crf", "8", *tags, tmp_path / "hdr.mov"], check=True)
    assert (transfer_of(tmp_path / "hdr.mov"), transfer_of(plain)) == (transfer, "")
    choice = VideoChoice(fps=10.0)  # all of them
    (ours, said), (expected, nothing) = (frames_of_video(path, choice) for path in (tmp_path / "hdr.mov", plain))
    assert ([kind in line for line in said], nothing) == ([True], [])
    assert len(ours) == 10
    errors = [
        np.square(read_photo(a).astype(float) - read_photo(b)).mean() for a, b in zip(ours, expected, strict=True)
    ]
    assert 10 * np.log10(255**2 / np.mean(errors)) > 30


@pytest.mark.parametrize(
    ("choice", "why"), [(VideoChoice(), "film for longer"), (VideoChoice(fps=1.0), "ask for more")]
)
def test_a_video_of_too_few_frames_says_why(tmp_path: Path, choice: VideoChoice, why: str) -> None:
    place = open_folder(film(tmp_path, pan([0, 40])))
    with pytest.raises(InputError, match=rf"my walk\.mp4 gives only (one|two) frames? that can be used, .*{why}"):
        find_photo_set(place, choice)
