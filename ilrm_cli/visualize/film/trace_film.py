"""A refinement trace as a film or picture, with words above: the scene of each layer stands beside the photo.

* `name.mp4`, `name.gif`, `name.webp`: the camera goes once around in every layer, twice in the last.
* `name.png`: one strip, all layers side by side and the photo at the end.
* `name` (no suffix): a folder of `0000.png`, `0001.png`, ..., one per layer.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray
from PIL import Image, ImageDraw, ImageFont

from ilrm_cli.pipeline.trace import Picture, Reading, Trace
from ilrm_cli.render.checks import ENCODED, is_strip
from ilrm_cli.render.video import save_signed, write_video
from ilrm_cli.runtime.files import check_output, replacing

FPS = 15.0
FILM_PICTURES = 15  # per layer: one second
LAST_TURNS = 2  # of the camera after the last layer, before the film ends or restarts
BAND_PX, TEXT_PX, MARGIN_PX = 28, 15, 8  # of the line of text above a picture
BAND_COLOR, TEXT_COLOR = (24, 24, 24), (235, 235, 235)


def pictures_for(path: Path) -> int:
    """Return the number of pictures per layer for an output of this kind."""
    return FILM_PICTURES if path.suffix.lower() in ENCODED else 1


def write_trace(trace: Trace, path: Path, overwrite: bool = False) -> None:
    """Write the trace, whole or not at all; see the module's docstring for the kinds."""
    if not is_strip(path):
        write_video(path, _frames(trace), FPS, overwrite=overwrite)
        return
    check_output(path, overwrite)
    with replacing(path) as part:
        save_signed(strip(trace), part)


def strip(trace: Trace) -> Picture:
    """Return the first picture of every layer, and the photo at the end."""
    layers = [next(_labelled(trace, row)) for row in range(len(trace.layers))]
    return np.concatenate([*layers, labelled(trace.photo, "photo")], axis=1)


def _frames(trace: Trace) -> Iterator[Picture]:
    """Yield frames of all layers in turn, beside the photo."""
    photo, last = labelled(trace.photo, "photo"), len(trace.layers) - 1
    for i, pictures in enumerate(trace.pictures):
        turns = LAST_TURNS if i == last and len(pictures) > 1 else 1
        for _ in range(turns):
            yield from (np.concatenate([picture, photo], axis=1) for picture in _labelled(trace, i))


def _labelled(trace: Trace, row: int) -> Iterator[Picture]:
    """Yield each picture of a row with its label."""
    layer = trace.layers[row]
    place = f"layer {layer.layer} of {len(trace.layers) - 1}{_decibels(layer.head)}"
    return (labelled(picture, place) for picture in trace.pictures[row])


def _decibels(reading: Reading) -> str:
    return "" if reading.psnr is None else f"   {reading.psnr:.1f} dB"


def labelled(picture: Picture, words: str) -> UInt8[ndarray, "taller width 3"]:
    """Return the picture below a line of text."""
    band = Image.new("RGB", (picture.shape[1], BAND_PX), BAND_COLOR)
    font = ImageFont.load_default(TEXT_PX)
    ImageDraw.Draw(band).text((MARGIN_PX, BAND_PX // 2), words, fill=TEXT_COLOR, font=font, anchor="lm")
    return np.concatenate([np.asarray(band), picture])
