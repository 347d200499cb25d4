"""Video output: .mp4, .gif, .webp, or numbered .png files, chosen by the suffix of the output.

* `name.mp4`: H.264, yuv420p, BT.709, header first (faststart). An odd width or height loses its last column or row.
* `name.gif`: loops forever, one palette per frame; frame times are whole hundredths of a second.
* `name.webp`: loops forever, in full colour, a fraction of a .gif's size; for web pages and READMEs.
* `name.png`: numbered files `name_0000.png`, `name_0001.png`, ... side by side.
* `name` (no suffix): a folder of `0000.png`, `0001.png`, ...
Frames are streamed and written in a separate thread while the next one is drawn; only a few are held at a time.
"""

import contextlib
import errno
import itertools
import os
import subprocess
import tempfile
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import imageio_ffmpeg
import numpy as np
from jaxtyping import UInt8
from numpy import ndarray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from ilrm_cli.render.checks import ENCODED, SIGNATURE, SIGNER, check_video_output, frame_path, frames_at
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.runtime.files import filling, replacing

JPEG_QUALITY = 90  # of single pictures: no blocks are seen beside a photo
WAITING = 2  # frames queued for the encoder: enough to keep it busy, little memory even at 4K

# Constant rate factor 18 is commonly considered visually lossless. The encoder shares the cores with the renderer:
# x264's preset superfast, with the look-ahead of slower ones, makes a film 7 % larger than the default preset and 0.4
# dB worse for a fifth of the time (fox, 960x540: 18 ms of one core per frame instead of 85). Colours are converted to
# BT.709, the matrix that players assume for video, and tagged with it (ffmpeg's default is BT.601 without a tag:
# colours would shift).
MP4_PARAMETERS = [
    "-c:v", "libx264", "-preset", "superfast", "-x264-params", "mbtree=1:rc-lookahead=10", "-crf", "18",
    "-pix_fmt", "yuv420p", "-movflags", "+faststart",
    "-vf", "scale=out_color_matrix=bt709:out_range=tv,"
    "setparams=colorspace=bt709:color_primaries=bt709:color_trc=bt709:range=tv",
]  # fmt: skip

# One palette per frame: nothing is buffered, and no colour is lost to later frames.
GIF_PARAMETERS = [
    "-c:v", "gif", "-vf", "split[a][b];[a]palettegen=stats_mode=single[p];[b][p]paletteuse=new=1", "-loop", "0",
]  # fmt: skip

# 75 is the encoder's own default. Its slowest search takes twenty times as long for 5 % less. Equal frames are merged.
WEBP_PARAMETERS = ["-c:v", "libwebp_anim", "-quality", "75", "-loop", "0"]
PARAMETERS = {".mp4": MP4_PARAMETERS, ".gif": GIF_PARAMETERS, ".webp": WEBP_PARAMETERS}


def encoded_size(path: Path, width: int, height: int) -> tuple[int, int]:
    """Return (width, height) in px of the video at `path` for frames of the given size: even for .mp4."""
    return (width // 2 * 2, height // 2 * 2) if path.suffix.lower() == ".mp4" else (width, height)


def write_video(
    path: Path, frames: Iterable[UInt8[ndarray, "height width 3"]], fps: float, *, overwrite: bool = False
) -> int:
    """Write the frames (sRGB, all of one size), consuming them one by one, and return their number.

    A frame is still being read when later ones are requested, so it must not be overwritten. The output appears when
    the last frame is written, or not at all. Raises `InputError` as `check_video_output` does.
    """
    check_video_output(path, overwrite)
    if path.suffix.lower() in ENCODED:
        with replacing(path) as part:
            return _encode(path, part, frames, fps)
    folder = path if path.suffix == "" else path.parent
    old = frames_at(path)
    with filling(folder) as part:
        numbers = itertools.count()
        count = write_behind(lambda frame: save_signed(frame, part / frame_path(path, next(numbers)).name), frames)
        assert count > 0, "a video of no frames"
    for stale in set(old) - {frame_path(path, number) for number in range(count)}:
        stale.unlink()  # of a longer film that this one replaces
    return count


def save_signed(picture: UInt8[ndarray, "height width 3"], path: Path) -> None:
    """Write a picture as a .png or .jpg that is known as ours, see `checks.SIGNER`."""
    text = PngInfo()
    text.add_text(*SIGNER)
    # Each of these options belongs to one of the formats, and is ignored by the other.
    Image.fromarray(picture).save(path, pnginfo=text, comment=SIGNATURE, quality=JPEG_QUALITY)


def write_behind(
    write: Callable[[UInt8[ndarray, "height width 3"]], None], frames: Iterable[UInt8[ndarray, "height width 3"]]
) -> int:
    """Call `write` for each frame in a thread while the next one is drawn; return their number.

    Exceptions of `write` are raised here soon after. The thread has always ended on return. At most WAITING frames are
    queued.
    """
    written = 0
    waiting: deque[Future[None]] = deque()
    thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ilrm-video")
    try:
        for frame in frames:
            waiting.append(thread.submit(write, frame))
            written += 1
            if len(waiting) > WAITING:
                waiting.popleft().result()
        for last in waiting:
            last.result()
    finally:
        thread.shutdown(cancel_futures=True)
    return written


def _encode(path: Path, part: Path, frames: Iterable[UInt8[ndarray, "height width 3"]], fps: float) -> int:
    """Let ffmpeg write `part`, which becomes `path`. Raises InputError if it fails, for example on a full disk.

    imageio-ffmpeg's own writer ignores ffmpeg's exit status and so accepts a truncated file.
    """
    remaining = iter(frames)
    first = next(remaining, None)
    assert first is not None, "a video of no frames"
    width, height = encoded_size(path, first.shape[1], first.shape[0])
    film = part.with_name(f"film{path.suffix.lower()}")  # a plain name: ffmpeg takes some for protocols or patterns
    command = [
        imageio_ffmpeg.get_ffmpeg_exe(), "-y", "-loglevel", "error",
        "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", repr(float(fps)), "-i", "-",
        *PARAMETERS[path.suffix.lower()], f"file:{film}",
    ]  # fmt: skip
    with tempfile.TemporaryFile() as log:
        count = 0
        ffmpeg = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, stderr=log)
        # The pipe breaks if ffmpeg exits, at the latest on closing; exit status and log then say why.
        with contextlib.suppress(BrokenPipeError), ffmpeg:
            pipe = ffmpeg.stdin
            assert pipe is not None

            def write(frame: UInt8[ndarray, "height width 3"]) -> None:
                assert frame.shape == first.shape, f"a frame of shape {frame.shape} among others of {first.shape}"
                pipe.write(np.ascontiguousarray(frame[:height, :width]).data)

            count = write_behind(write, itertools.chain([first], remaining))
        if ffmpeg.returncode != 0:
            log.seek(0)
            full = os.strerror(errno.ENOSPC).encode() in log.read()
            why = "the disk is full" if full else "ffmpeg could not encode it"
            raise InputError(f"cannot write {path}: {why}.")
    if film != part:
        os.replace(film, part)
    return count
