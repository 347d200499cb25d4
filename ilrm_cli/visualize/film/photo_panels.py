"""The photos that a scene was made from, warped to a film's cameras to be shown beside its frames."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from numpy import ndarray
from PIL import Image

from ilrm_cli.capture.filter_photos import offered_photos
from ilrm_cli.capture.photos.folder import VideoChoice, open_folder
from ilrm_cli.capture.photos.listing import Listing, find_mask, is_photo, is_video, place_of
from ilrm_cli.capture.photos.pixels import read_photo
from ilrm_cli.capture.photos.round_lenses import views_of_panorama
from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.render.paths.tours import nearest
from ilrm_cli.runtime.errors import InputError, listed
from ilrm_cli.runtime.progress import Report, ignore
from ilrm_cli.visualize.film.channels import Film

COMPARED_PX = 32  # side of the small pictures used to detect a photo's rotation


def find_photos(
    folder: Path,
    names: Sequence[str],
    choice: VideoChoice | None = None,
    report: Report = ignore,
    *,
    root: Path | None = None,
) -> tuple[Path, ...]:
    """Return the files of a capture's named photos, from `root` if that is known, or its folder, see `place_of`.

    Frames of a video, or of a folder of videos, come from the cache, or from the video again by the `choice` that the
    scene was made with; views of 360 degree photos are cut again. Raises `InputError` if some are missing.
    """
    if is_video(folder) or any(is_video(folder / Path(name).parent) for name in names):
        found = offered_photos(open_folder(folder), choice or VideoChoice(), report).paths
        return _all_of({name: found[name] for name in names if name in found}, names, folder)
    if not folder.is_dir():
        state = "is no folder" if folder.is_file() else "does not exist"
        raise InputError(f"--side-by-side needs the photos, but {folder} {state}; name their folder with --photos.")
    place = place_of(folder, names, root)
    found = {name: file for name in names if (file := _cut_again(place, name)) is not None}
    return _all_of(found, names, folder)


def _cut_again(place: Path, name: str) -> Path | None:
    """Return a file, cutting the 360 degree photo of which it may be a view; None if it is missing."""
    file = place / name
    if os.path.isfile(file) or not is_photo(file.parent):
        return file if os.path.isfile(file) else None
    views = views_of_panorama(file.parent, find_mask(place, os.path.dirname(name), Listing()))
    return views[file.name][0] if file.name in views else None


def _all_of(found: Mapping[str, Path], names: Sequence[str], folder: Path) -> tuple[Path, ...]:
    """Return the files in the order of the names. Raises `InputError` if some are missing."""
    missing = [name for name in names if name not in found]
    if missing:
        raise InputError(
            f"--side-by-side needs the photos, but {folder} lacks {len(missing)} of them ({listed(missing)}); "
            "name their folder with --photos."
        )
    return tuple(found[name] for name in names)


class PhotoPanels:
    """The photos as pictures of one size; the last one shown is cached."""

    def __init__(
        self,
        paths: Sequence[Path],
        recorded: Cameras,
        filmed: Cameras,
        depth: float,
        background: tuple[float, float, float],
        quarter_turns: Sequence[int | None] = (),
    ):
        """Take the photos' cameras as the model saw them (`recorded`), and the same with the film's lens (`filmed`).

        `depth` is that of the scene in world units and determines the nearest photo; `background`, in [0, 1], fills the
        parts of the film's view outside the photo. `quarter_turns` are those from photos to recorded images; None or
        nothing: unknown, as in records of older versions.
        """
        self.paths, self.recorded, self.filmed = tuple(paths), recorded, filmed
        self.depth, self.background = depth, background
        self.quarter_turns = tuple(quarter_turns) or (None,) * len(self.paths)
        self._last: tuple[int, ndarray] | None = None

    def beside(self, camera: Cameras, film: Film) -> UInt8[ndarray, "height width 3"]:
        """Return the photo nearest to the camera of a frame."""
        index = nearest(camera.to(torch.float64), self.filmed, self.depth)
        if self._last is None or self._last[0] != index:
            self._last = (index, self.picture(index, film))
        return self._last[1]

    def picture(self, index: int, film: Film) -> UInt8[ndarray, "height width 3"]:
        """Return photo `index`, cropped and rotated to match its camera in the film; its lens distortion stays."""
        photo = read_photo(self.paths[index], at_least=(self.filmed.width, self.filmed.height))
        if (turns := self.quarter_turns[index]) is not None:
            return self._warped(index, np.rot90(photo, turns))
        (photo_height, photo_width), seen = photo.shape[:2], self.recorded
        if (photo_height - photo_width) * (seen.height - seen.width) >= 0:
            return self._warped(index, photo)
        # A portrait photo among landscape ones, rotated one way or the other for the model: choose by the rendered
        # scene.
        rendered = film.colors(self.filmed[[index]].to(torch.float32))
        pictures = [self._warped(index, np.rot90(photo, turns)) for turns in (1, 3)]
        return min(pictures, key=lambda picture: _difference(picture, rendered))

    def _warped(self, index: int, photo: UInt8[ndarray, "h w 3"]) -> UInt8[ndarray, "height width 3"]:
        """Warp the photo, cropped as for the model, to the film's lens: same position, rotated about the axis."""
        film, seen = self.filmed, self.recorded
        cover = max(seen.width / photo.shape[1], seen.height / photo.shape[0])  # recorded px per photo px
        turn = (seen.world_from_cam[index, :3, :3].T @ film.world_from_cam[index, :3, :3])[:2, :2].cpu().numpy()
        focal = seen.focal_px[index].cpu().numpy()
        # film px -> tangents in the film's camera -> tangents in the photo's -> recorded px -> photo px
        matrix = np.diag(focal) @ turn @ np.diag(1 / film.focal_px[index].cpu().numpy())
        offset = seen.center_px[index].cpu().numpy() - matrix @ film.center_px[index].cpu().numpy()
        margin = (np.array([photo.shape[1], photo.shape[0]]) - np.array([seen.width, seen.height]) / cover) / 2
        matrix, offset = matrix / cover, offset / cover + margin
        step = float(np.abs(np.linalg.det(matrix))) ** 0.5  # photo px per film px
        image = Image.fromarray(np.ascontiguousarray(photo))
        if step > 1:  # downsample first to avoid aliasing
            image = image.resize(
                (max(1, round(image.width / step)), max(1, round(image.height / step))), reducing_gap=3
            )
            scale = np.array([image.width / photo.shape[1], image.height / photo.shape[0]])
            matrix, offset = scale[:, None] * matrix, scale * offset
        coefficients = (*matrix[0], offset[0], *matrix[1], offset[1])
        fill = tuple(round(255 * value) for value in self.background)
        size = (film.width, film.height)
        warped = image.transform(size, Image.Transform.AFFINE, coefficients, Image.Resampling.BICUBIC, fillcolor=fill)
        return np.asarray(warped)


def _difference(one: UInt8[ndarray, "h w 3"], other: UInt8[ndarray, "h w 3"]) -> float:
    small = [np.asarray(Image.fromarray(i).resize((COMPARED_PX, COMPARED_PX))).astype(float) for i in (one, other)]
    return float(np.abs(small[0] - small[1]).mean())
