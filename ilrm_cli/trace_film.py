"""A refinement trace to look at: each picture beside the photo, the layer written above it.

* `name.mp4`, `name.gif`: the camera goes once around in every layer, twice in the last.
* `name.png`: one strip, all layers side by side and the photo at the end.
* `name` (no suffix): a folder of `0000.png`, `0001.png`, ..., one for each layer.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ilrm_cli.io.atomic import check_output, replacing
from ilrm_cli.io.video import check_video_output, write_video
from ilrm_cli.trace import Picture, Trace, TracedLayer

FPS = 15.0
FILM_PICTURES = 15  # per layer: a second
LAST_TURNS = 2  # of the camera after the last layer, before the film ends or begins again
BAND_PX, TEXT_PX, MARGIN_PX = 28, 15, 8  # of the line of text above a picture
BAND_COLOR, TEXT_COLOR = (24, 24, 24), (235, 235, 235)


def check_trace_output(path: Path, overwrite: bool) -> None:
    """Raise `InputError` where no trace can be put at `path`."""
    if _is_strip(path):
        check_output(path, overwrite)
    else:
        check_video_output(path, overwrite)


def pictures_for(path: Path) -> int:
    """Pictures per layer that an output of this kind shows."""
    return FILM_PICTURES if path.suffix.lower() in (".mp4", ".gif") else 1


def write_trace(trace: Trace, path: Path, overwrite: bool = False) -> None:
    """Write the trace, whole or not at all; see above for the kinds."""
    if not _is_strip(path):
        write_video(path, _frames(trace), FPS, overwrite=overwrite)
        return
    check_output(path, overwrite)
    with replacing(path) as part:
        Image.fromarray(strip(trace)).save(part)


def strip(trace: Trace) -> Picture:
    """The first picture of every layer, and the photo."""
    last = trace.layers[-1].layer
    cells = [_labelled(shown[0], _words(row, last)) for row, shown in zip(trace.layers, trace.pictures, strict=True)]
    return np.concatenate([*cells, _labelled(trace.photo, "photo")], axis=1)


def _frames(trace: Trace) -> Iterator[Picture]:
    photo, last = _labelled(trace.photo, "photo"), trace.layers[-1].layer
    for row, shown in zip(trace.layers, trace.pictures, strict=True):
        turns = LAST_TURNS if row.layer == last and len(shown) > 1 else 1
        for picture in shown * turns:
            yield np.concatenate([_labelled(picture, _words(row, last)), photo], axis=1)


def _words(row: TracedLayer, last: int) -> str:
    measured = "" if row.psnr is None else f"   {row.psnr:.1f} dB"
    return f"layer {row.layer} of {last}{measured}"


def _labelled(picture: Picture, words: str) -> Picture:
    """The picture below a line of text."""
    band = Image.new("RGB", (picture.shape[1], BAND_PX), BAND_COLOR)
    font = ImageFont.load_default(TEXT_PX)
    ImageDraw.Draw(band).text((MARGIN_PX, BAND_PX // 2), words, fill=TEXT_COLOR, font=font, anchor="lm")
    return np.concatenate([np.asarray(band), picture])


def _is_strip(path: Path) -> bool:
    return path.suffix.lower() == ".png"
