"""Videos as input: sharp, well-separated frames, written as photos into the cache.

The video is decoded twice by ffmpeg: small and grey to choose frames, then in full to write the chosen ones.
The program turns videos upright, counts time from their start and gets over damage; with its libraries alone (PyAV) all
of this would be ours to do.
"""

import json
import subprocess
import tempfile
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path
from typing import IO

import imageio_ffmpeg
import numpy as np
from jaxtyping import Float32, UInt8
from numpy import ndarray
from PIL import Image

from ilrm_cli.capture.photos.folder import VideoChoice
from ilrm_cli.capture.photos.near_duplicates import (
    SAME_PICTURE,
    distance,
    even_bins,
    sharpest_of_each,
    sharpness_of,
    signature_of,
)
from ilrm_cli.runtime.cache import cache_dir, entry, input_sha256
from ilrm_cli.runtime.errors import InputError, listed
from ilrm_cli.runtime.json_values import read_json
from ilrm_cli.runtime.progress import Report, Step, ignore

VERSION = 5  # raise it if the same video would give different frames than before
LOOKED_AT_PER_S = 10.0  # frames examined per second
LOOKED_AT_PER_FRAME = 5  # frames examined per frame taken, if the user sets the frame rate
SMALL_PX = 480  # width at which frames are compared: enough to see sharpness; decoding dominates the time
MOTION_STEP = 0.6  # signature distance between chosen frames: neighbours still share most of the picture
LEAST_STEP = 1e-6  # added to every distance, so that a still video advances too
MIN_FRAMES = 16  # taken even if little moves: structure from motion needs some
JPEG_QUALITY = 95
NOTES = "notes.json"  # beside the frames
# Kinds of files, as ffmpeg names them, that hold their pictures themselves. Among the others are lists of further
# files and addresses, which ffmpeg would open whatever the list is called.
CONTAINERS = "mov,matroska,avi,mpegts,mpeg,flv,asf,ogg"
# Transfer functions of high dynamic range, as ffmpeg names them -> as users know them.
HDR = {"arib-std-b67": "HLG", "smpte2084": "PQ"}
# To the colours of SDR videos: white at 203 cd/m² (ITU-R BT.2408), linear up to 0.9 of it, highlights rolled off. Of an
# SDR video turned into HLG and back, frames have 38.5 dB against its own; 16.9 dB without.
TONE_MAPPING = (
    "zscale=t=linear:npl=203,format=gbrpf32le,zscale=p=bt709,tonemap=mobius:param=0.9:desat=0,"
    "zscale=t=bt709:m=bt709:r=tv"
)
# To square pixels, the shorter side of others being made longer: DV, HDV and AVCHD have pixels of up to 1.5 : 1, lenses
# for wide films 2 : 1. Beyond MOST_OBLONG the ratio is damage.
MOST_OBLONG = 3
SQUARE = (
    f"scale='if(between(sar,1,{MOST_OBLONG}),round(iw*sar),iw)':'if(between(1/sar,1,{MOST_OBLONG}),round(ih/sar),ih)',"
    "setsar=1"
)
LONGEST_GAP_S = 1.0  # between frames; a longer one is shortened, as ffmpeg fills it with copies of one frame
# What a file of few bytes may hold: 8K has 33 megapixels a frame. Videos have 50 to 2,000 pixels a byte.
ALWAYS_READ_PIXELS, PIXELS_PER_BYTE = 40_000_000, 128  # of one frame
ALL_READ_PIXELS, ALL_PIXELS_PER_BYTE = 1_500_000_000, 5_000  # of all frames examined


def frames_of_video(video: Path, choice: VideoChoice, report: Report = ignore) -> tuple[list[Path], list[str]]:
    """Return the chosen frames of a video as JPEG files in the cache, named by their time, and warnings.

    They stay there for the next run. Raises InputError if the video cannot be read or the cache cannot be written.
    """
    kept = entry("frames", [VERSION, input_sha256(video), choice.fps, choice.max_frames], _frames_in)
    found = kept.read()
    if found is None:
        try:
            with kept.filling() as new:
                warnings = _write_frames(video, choice, new, report)
                sizes = {file.name: file.stat().st_size for file in sorted(new.glob("*.jpg"))}
                notes = json.dumps({"warnings": warnings, "bytes": sizes})
                (new / NOTES).write_text(notes, encoding="utf-8")
        except OSError as error:
            raise InputError(
                f"The frames of {video} cannot be kept in {cache_dir()} ({error.strerror}); "
                "set ILRM_CACHE to a folder that can be written to."
            ) from error
        found = _frames_in(kept.folder)
    return found


def _frames_in(folder: Path) -> tuple[list[Path], list[str]]:
    """Return the frames in a folder of the cache, and the warnings; raise ValueError or OSError if any is missing."""
    notes = read_json(folder / NOTES)
    files = {folder / name: size for name, size in notes["bytes"].items()}
    if damaged := [file.name for file, size in files.items() if file.stat().st_size != size]:
        raise ValueError(f"frames have another size: {listed(damaged)}")
    return list(files), notes["warnings"]


def choose_frames(
    moved: Float32[ndarray, " frame"], sharpness: Float32[ndarray, " frame"], choice: VideoChoice
) -> list[int]:
    """Return the ascending indices of the chosen frames: the sharpest of every stretch.

    `moved` is the distance of each frame's signature from that of the frame before, see `near_duplicates`; 0 for the
    first. Stretches are equal in time if `choice.fps` is set, else in motion: the distance that the signature has
    travelled, without noise. There are at least MIN_FRAMES, however little moves, if the video has them, and at most
    `choice.max_frames`.
    """
    count = len(sharpness)
    if choice.fps is not None:
        wanted = min(-(-count // LOOKED_AT_PER_FRAME), choice.max_frames)
        return sharpest_of_each(even_bins(count, wanted), sharpness)
    travelled = np.cumsum(np.maximum(moved.astype(np.float64) - SAME_PICTURE, 0) + LEAST_STEP)
    wanted = min(max(MIN_FRAMES, round(travelled[-1] / MOTION_STEP)), choice.max_frames)
    stretches = np.minimum((travelled / travelled[-1] * wanted).astype(np.int64), wanted - 1)
    return sharpest_of_each(stretches, sharpness)


def _write_frames(video: Path, choice: VideoChoice, folder: Path, report: Report) -> list[str]:
    """Write the chosen frames into the folder; return warnings."""
    rate = LOOKED_AT_PER_S if choice.fps is None else LOOKED_AT_PER_FRAME * choice.fps
    moved, sharpness = [], []
    before = None
    report(Step("video", 0))
    most = _most_frames(video)
    small = _Decoder(video, f"fps={rate},{SQUARE},scale='min({SMALL_PX},iw)':-2:flags=area", "pgm")
    looked_at = small.frames()
    try:
        first = next(looked_at)
    except InputError:
        if choice.fps is None or small.failed:
            raise
        return _write_frames(video, VideoChoice(max_frames=1), folder, report)  # shorter than half a step
    for frame in islice(chain([first], looked_at), most):
        signature = signature_of(frame)
        moved.append(0.0 if before is None else distance(signature, before))
        before = signature
        sharpness.append(sharpness_of(frame))
        report(Step("video", len(sharpness)))
    report(Step("video", len(sharpness), len(sharpness)))
    chosen = choose_frames(np.array(moved, dtype=np.float32), np.array(sharpness, dtype=np.float32), choice)
    picked = "+".join(f"eq(n,{index})" for index in chosen)
    kind = transfer_of(video)
    mapping = f",{TONE_MAPPING}" if kind in HDR else ""
    taken = _Decoder(video, f"fps={rate},select='{picked}',{SQUARE}{mapping}", "ppm").frames()
    for done, (index, frame) in enumerate(zip(chosen, taken, strict=False), 1):
        Image.fromarray(frame).save(folder / f"{index / rate:09.3f}s.jpg", quality=JPEG_QUALITY, subsampling=0)
        report(Step("video frames", done, len(chosen)))
    seconds = len(sharpness) / rate
    mapped = [f"{video.name} has a high dynamic range ({HDR[kind]}); its frames were tone-mapped."] if mapping else []
    if len(sharpness) == most:
        return [*mapped, f"{video.name} is longer than its few bytes explain; its first {seconds:.1f} s are used."]
    cut = [f"{video.name} is damaged; the {seconds:.1f} s that can be decoded are used."] if small.failed else []
    return [*mapped, *cut]


def transfer_of(video: Path) -> str:
    """Return the transfer function of a video, a key of HDR; empty if it is none of them."""
    command = [*_reading(video), "-map", "0:v:0", "-frames:v", "1", "-c", "copy", "-f", "null", "-"]
    command[command.index("error")] = "info"
    said = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False).stderr
    # "Stream #0:0: Video: hevc (Main 10), yuv420p10le(tv, bt2020nc/bt2020/arib-std-b67), ..."
    streams = [line for line in said.decode(errors="replace").splitlines() if ": Video: " in line]
    return next((name for name in HDR if streams and name in streams[0]), "")


def _most_frames(video: Path) -> int:
    """Return how many frames of a video are examined at most, by the size of the first and of the file."""
    height, width = next(_Decoder(video, "null", "pgm").frames()).shape
    return max(MIN_FRAMES, (ALL_READ_PIXELS + ALL_PIXELS_PER_BYTE * video.stat().st_size) // (height * width))


OF_ONE_MOMENT = "bwdif=mode=send_frame:deint=interlaced"  # frames woven from two fields, as camcorders film, lose one
WITHOUT_GAPS = f"setpts='if(isnan(PREV_OUTPTS),PTS,PREV_OUTPTS+clip(PTS-PREV_INPTS,0,{LONGEST_GAP_S}/TB))'"


class _Decoder:
    """Frames of a video decoded by ffmpeg, upright, one at a time."""

    def __init__(self, video: Path, filters: str, codec: str) -> None:
        """Prepare the decoder; `codec` "pgm" gives grey frames, "ppm" colour."""
        self.video = video
        self.failed = False  # whether ffmpeg reported an error after giving frames
        pixels = "gray" if codec == "pgm" else "rgb24"
        most = max(ALWAYS_READ_PIXELS, PIXELS_PER_BYTE * video.stat().st_size)
        self.command = [
            *_reading(video, "-max_pixels", str(most)), "-map", "0:v:0", "-fps_mode", "passthrough",
            "-vf", f"{WITHOUT_GAPS},{OF_ONE_MOMENT},{filters},format={pixels}", "-f", "image2pipe", "-c:v", codec, "-",
        ]  # fmt: skip

    def frames(self) -> Iterator[UInt8[ndarray, "height width *channels"]]:
        """Yield the frames. Raises InputError if there are none. Ends ffmpeg when closed early."""
        with tempfile.TemporaryFile() as log:
            count = 0
            with subprocess.Popen(self.command, stdout=subprocess.PIPE, stderr=log) as ffmpeg:
                assert ffmpeg.stdout is not None
                try:
                    while (frame := _next_picture(ffmpeg.stdout)) is not None:
                        count += 1
                        yield frame
                    ffmpeg.wait()
                finally:
                    ffmpeg.kill()
            log.seek(0)
            said = log.read().decode(errors="replace").strip().splitlines()
        self.failed = bool(said)
        if count == 0:
            raise InputError(
                f"{self.video} cannot be read as a video ({'it is damaged or none' if said else 'it has no frame'}); "
                "replace it, or convert it to .mp4."
            )


def _reading(video: Path, *options: str) -> list[str]:
    """Return the start of a command line that reads a video."""
    return [
        imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-loglevel", "error", "-format_whitelist", CONTAINERS,
        "-protocol_whitelist", "file", *options, "-i", f"file:{video}",
    ]  # fmt: skip


def _next_picture(stream: IO[bytes]) -> UInt8[ndarray, "height width *channels"] | None:
    """Read the next picture of a stream of binary PGM or PPM files; None at the end or if the stream breaks off."""
    kind = stream.readline().strip()
    if kind not in (b"P5", b"P6"):
        return None
    width, height = map(int, stream.readline().split())
    stream.readline()  # the maximum value, 255
    shape = (height, width) if kind == b"P5" else (height, width, 3)
    content = stream.read(int(np.prod(shape)))
    return np.frombuffer(content, dtype=np.uint8).reshape(shape) if len(content) == np.prod(shape) else None
