"""Where projects keep COLMAP models and transforms.json, by the names of files.

Nothing is opened, and nothing heavy is imported.
"""

from collections.abc import Iterable
from pathlib import Path

from ilrm_cli.capture.photos.listing import PHOTO_FOLDERS, Listing, is_open

MODEL_PLACES = (
    "sparse",
    ".",
    "colmap/sparse",
    "distorted/sparse",
    "dense/sparse",
    "undistorted/sparse",
    *PHOTO_FOLDERS,
)
DENSE = "dense"  # of COLMAP's automatic reconstruction: numbered projects, undistorted
MODEL_SUFFIXES = (".bin", ".txt")
# Of nerfstudio and instant-ngp; of NeRF's Blender scenes; and as others spell them.
TRANSFORMS_NAMES = ("transforms.json", "transforms_train.json", "transform.json", "transform_train.json")


def find_model(folder: Path, listing: Listing) -> Path | None:
    """Return the folder of a project's COLMAP model, or None.

    Searched in `sparse/0`, `sparse`, the folder itself and where common tools put it; among the numbered models of one
    place the one with the largest image list is chosen. For a folder named `images` or `input` its parent is searched
    too.
    """
    roots = [folder, folder.parent] if folder.name in PHOTO_FOLDERS else [folder]
    for root in roots:
        for place in MODEL_PLACES:
            if (model := _model_in(root / place, listing, numbered=place != ".")) is not None:
                return model
        if (model := _largest(_models_of(listing.folders(root / DENSE), listing))) is not None:
            return model
    return None


def own_model(place: Path, photos: Iterable[Path], listing: Listing) -> Path | None:
    """Return the COLMAP model beside which all photos lie in a project below the place; None if there is none.

    That is where the undistorted photos of COLMAP's automatic reconstruction lie. Of numbered projects it is the
    largest model; other projects beside each other are scenes of their own.
    """
    projects = {project_of(folder, place, listing) for folder in {photo.parent for photo in photos}}
    inside = [project for project in projects if project is not None]
    parents = {project.parent for project in inside}
    numbered = {parent.name for parent in parents} == {DENSE} and all(one.name.isdecimal() for one in inside)
    if not inside or None in projects or (len(inside) > 1 and not (len(parents) == 1 and numbered)):
        return None
    return _largest(_models_of(inside, listing))


def project_of(folder: Path, place: Path, listing: Listing) -> Path | None:
    """Return the project below the place, with a COLMAP model of its own, whose folder of photos this one is in."""
    if not folder.is_relative_to(place):
        return None
    below = len(folder.relative_to(place).parts)
    for photos in (folder, *folder.parents)[: max(0, below - 1)]:
        if photos.name in PHOTO_FOLDERS and _model_in(photos.parent / "sparse", listing) is not None:
            return photos.parent
    return None


def models_elsewhere(place: Path, listing: Listing) -> list[Path]:
    """Return the models in the folders of a place, whatever these are called, that hold no photos (ETH3D, ScanNet++).

    Folders with photos may be projects of their own.
    """
    folders = [folder for folder in listing.folders(place) if is_open(folder) and not listing.photos(folder)]
    found = (_model_in(folder, listing) or _model_in(folder / "sparse", listing) for folder in folders)
    return [model for model in found if model is not None]


def _models_of(projects: Iterable[Path], listing: Listing) -> list[Path]:
    models = (_model_in(project / "sparse", listing) for project in projects)
    return [model for model in models if model is not None]


def _model_in(base: Path, listing: Listing, numbered: bool = True) -> Path | None:
    """Return the model in a folder, or else the largest in the folders in it, if these may be `numbered` models."""
    if not listing.is_folder(base):
        return None
    if is_model(base):
        return base
    return _largest([path for path in listing.folders(base) if is_model(path)] if numbered else [])


def _largest(models: list[Path]) -> Path | None:
    return max(models, key=_images_file_size, default=None)


def is_model(folder: Path) -> bool:
    """Return whether a folder holds the files of a COLMAP model."""
    return model_suffix(folder) is not None


def model_suffix(folder: Path) -> str | None:
    """Return the suffix of the files of the COLMAP model in a folder; None if there is none."""
    complete = (s for s in MODEL_SUFFIXES if all((folder / f"{part}{s}").is_file() for part in ("cameras", "images")))
    return next(complete, None)


def _images_file_size(model: Path) -> int:
    return max(
        (model / f"images{suffix}").stat().st_size for suffix in MODEL_SUFFIXES if (model / f"images{suffix}").exists()
    )


def find_transforms(folder: Path) -> Path | None:
    """Return the transforms file of a project folder, or None."""
    return next((folder / name for name in TRANSFORMS_NAMES if (folder / name).is_file()), None)
