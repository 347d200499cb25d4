"""Pictures opened by Pillow: of the formats that we mean only, of a size that their bytes can explain.

Pillow would hand PostScript to Ghostscript, which runs what it reads, whatever the file is called. All that is opened
goes through `open_picture`, and whatever a decoder raises on a damaged picture is one of DECODER_ERRORS.
"""

import ctypes
import io
import logging
import os
import struct
import subprocess
import warnings
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, TiffImagePlugin

PHOTO_FORMATS = ("JPEG", "MPO", "PNG", "WEBP", "TIFF", "AVIF", "HEIF")  # as Pillow names them
MAX_PIXELS = 800_000_000  # of a photo; PIL's own limit, made for servers, rejects photos of today's phones
# A picture of nothing can be packed a thousand times tighter than any photo: a file of 95 kB held 784 megapixels. JPEGs
# of real photos have 3 to 20 pixels a byte, flat drawings up to some hundred.
ALWAYS_READ_PIXELS, PIXELS_PER_BYTE = 64_000_000, 128

DECODER_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    RuntimeError,  # of libavif and others, and NotImplementedError, of rare variants of a format
    ArithmeticError,
    LookupError,
    TypeError,
    AttributeError,
    MemoryError,
    struct.error,
    zlib.error,
    subprocess.SubprocessError,
    Image.DecompressionBombError,
)

BITS, PHOTOMETRIC, ORIENTATION, PLANES = 258, 262, 274, 284  # TIFF tags
WHITE_IS_ZERO, SEPARATE = 0, 2  # their values
MIXED_UP_PLANES = ("LA", "La", "PA", "LAB")  # modes whose planes Pillow takes for others if they are stored separately

Image.MAX_IMAGE_PIXELS = MAX_PIXELS // 2  # PIL rejects twice this
TiffImagePlugin.READ_LIBTIFF = True  # Pillow's own decoder takes planes of 16 bits for some of 8
TiffImagePlugin.OPEN_INFO[b"MM", WHITE_IS_ZERO, (1,), 1, (16,), ()] = ("I;16B", "I;16B")  # as for b"II"
logging.getLogger("PIL").setLevel(logging.CRITICAL)
warnings.filterwarnings("ignore", module="PIL")  # about damage: such a photo is used without its EXIF, or refused


@contextmanager
def open_picture(source: Path | io.BytesIO, formats: tuple[str, ...] = PHOTO_FORMATS) -> Iterator[Image.Image]:
    """Open a picture of one of the formats and read its header, not its pixels. Raises one of DECODER_ERRORS."""
    _know_all_formats()
    with ExitStack() as stack:
        # Never by name: Pillow would map grey TIFFs into memory, and mixes up rows and columns of turned ones.
        stream = stack.enter_context(source.open("rb")) if isinstance(source, Path) else source
        length = stream.seek(0, os.SEEK_END)
        stream.seek(0)
        image = stack.enter_context(Image.open(stream, formats=[name for name in formats if name in Image.OPEN]))
        check_page(image, length)
        yield image


def check_page(image: Image.Image, length: int) -> None:
    """Raise one of DECODER_ERRORS if a picture, or the page of it that is open, would not be read right.

    `length` is that of the file, in bytes.
    """
    if image.width * image.height > max(ALWAYS_READ_PIXELS, PIXELS_PER_BYTE * length):
        raise Image.DecompressionBombError(f"{image.width} x {image.height} pixels in {length} bytes")
    if image.mode in MIXED_UP_PLANES and _tiff_tag(image, PLANES) == SEPARATE:
        raise NotImplementedError(f"{image.mode} in separate planes")


def go_to_page(image: TiffImagePlugin.TiffImageFile, page: int) -> None:
    """Open a page of a TIFF, turned as the first one, where cameras state that, unless it says itself how."""
    stated = None
    with suppress(*DECODER_ERRORS):
        stated = image.getexif().get(ORIENTATION)
    image.seek(page)
    if page and stated is not None:
        with suppress(*DECODER_ERRORS):
            image.getexif().setdefault(ORIENTATION, stated)


def decode(image: Image.Image) -> None:
    """Decode the pixels of an open picture; of 16 bits, black is 0 and white about 65535, however a TIFF keeps them."""
    image.load()
    if not image.mode.startswith("I;16") or not isinstance(image, TiffImagePlugin.TiffImageFile):
        return
    bits, negative = image.tag_v2[BITS][0], _tiff_tag(image, PHOTOMETRIC) == WHITE_IS_ZERO
    if negative or bits < 16:
        stored = np.asarray(image)
        values = stored << (16 - bits)
        image.frombytes((~values if negative else values).astype(stored.dtype).tobytes())


def _tiff_tag(image: Image.Image, tag: int) -> object:
    """Return a value of a TIFF; None of other pictures."""
    return image.tag_v2.get(tag) if isinstance(image, TiffImagePlugin.TiffImageFile) else None


@cache
def _know_all_formats() -> None:
    """Let Pillow load its decoders, some of which it otherwise loads only when a file is none of the usual."""
    Image.init()
    _silence_libtiff()


def _silence_libtiff() -> None:
    """Keep libtiff from telling of damage on stderr: Pillow raises an error as well.

    Where it is built into Pillow, as on Windows, it has no name to be called by, and goes on.
    """
    with suppress(OSError, AttributeError):
        library = ctypes.CDLL(Image.core.__file__)  # finds what it depends on
        for name in ("TIFFSetErrorHandler", "TIFFSetWarningHandler"):
            set_handler = getattr(library, name)
            set_handler.argtypes, set_handler.restype = [ctypes.c_void_p], ctypes.c_void_p
            set_handler(None)
