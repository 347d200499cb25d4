"""Working copies of photos for structure from motion: upright, small JPEGs, with their masks."""

import io
from collections.abc import Mapping
from pathlib import Path

from jaxtyping import Bool
from numpy import ndarray
from PIL import ExifTags, Image

from ilrm_cli.capture.photos.header import PhotoHeader, photo_header
from ilrm_cli.capture.photos.masks import read_masked_photo, resized_mask
from ilrm_cli.runtime.pictures import open_picture
from ilrm_cli.runtime.progress import Report, ignore
from ilrm_cli.runtime.threads import in_threads

COPY_QUALITY = 95  # JPEG quality of working copies: compression noise stays below the noise of the sensor


def write_copies(
    paths: Mapping[str, Path], masks: Mapping[str, Path], work: Path, max_side: int, report: Report = ignore
) -> tuple[dict[str, str], Path | None]:
    """Write copies of the photos to work/photos, one subfolder per camera, and masks to work/masks if there are any.

    Masks are named `<file>.png`, as COLMAP expects, and are written for all photos if any photo has masked pixels.
    `paths` = name -> file, `masks` = name -> mask file for those that have one. Returns file below work/photos -> name,
    in the order of `paths`, and the folder of the masks or None.
    """
    cameras: dict[object, int] = {}
    files = {}
    for index, (name, path) in enumerate(paths.items()):
        header = photo_header(path)
        lens = (header.upright_size, header.focal_35mm, header.focal_mm, header.camera)
        camera = cameras.setdefault(lens, len(cameras))
        files[f"{camera:04d}/{index:05d}.jpg"] = name
    for camera in cameras.values():
        (work / "photos" / f"{camera:04d}").mkdir(parents=True)
        (work / "masks" / f"{camera:04d}").mkdir(parents=True)

    def write(file: str) -> bool:
        copy, counts = upright_copy(paths[files[file]], max_side, masks.get(files[file]))
        header = photo_header(paths[files[file]])
        (work / "photos" / file).write_bytes(encode_copy(copy, header))
        if counts is not None:
            Image.fromarray(counts).save(work / "masks" / f"{file}.png")
        return counts is not None

    masked = in_threads(write, list(files), "working copies", report)
    if not any(masked):
        return files, None
    for file, has_mask in zip(files, masked, strict=True):
        if not has_mask:
            with open_picture(work / "photos" / file, ("JPEG",)) as image:
                Image.new("1", image.size, 1).save(work / "masks" / f"{file}.png")
    return files, work / "masks"


def upright_copy(
    path: Path, max_side: int, mask: Path | None = None
) -> tuple[Image.Image, Bool[ndarray, "height width"] | None]:
    """Return colours and valid pixels as `read_masked_photo` does, with the longer side at most `max_side` px."""
    width, height = photo_header(path).upright_size
    factor = min(1.0, max_side / max(width, height))
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    photo = read_masked_photo(path, mask, at_least=size)
    image = Image.fromarray(photo.colors)
    if image.size == size:
        return image, photo.counts
    counts = None if photo.counts is None else resized_mask(photo.counts, size)
    return image.resize(size, Image.Resampling.LANCZOS), counts


def encode_copy(copy: Image.Image, header: PhotoHeader) -> bytes:
    """Encode as JPEG with the header's 35 mm focal length, where structure from motion starts, as its only EXIF."""
    exif = Image.Exif()
    if header.focal_35mm:
        exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.FocalLengthIn35mmFilm] = round(header.focal_35mm)
    buffer = io.BytesIO()
    copy.save(buffer, "JPEG", quality=COPY_QUALITY, subsampling=0, exif=exif)
    return buffer.getvalue()
