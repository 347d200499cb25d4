"""Locations of poses in projects, by file names alone; opens nothing and imports nothing heavy."""

from pathlib import Path

MODEL_PLACES = ("sparse", ".", "colmap/sparse", "distorted/sparse", "dense/sparse", "undistorted/sparse")
SUFFIXES = (".bin", ".txt")
FILE_NAMES = ("transforms.json", "transforms_train.json")  # nerfstudio and instant-ngp; NeRF's Blender scenes
MIN_PHOTOS = 3  # for structure from motion: two photos agree by chance too easily


def find_model(folder: Path) -> Path | None:
    """Return the folder of a project's COLMAP model, or None.

    Searched in `sparse/0`, `sparse`, the folder itself and where common tools put it; among the numbered models of one
    place the one with the largest image list is chosen. For a folder named `images` or `input` its parent is searched
    too.
    """
    roots = [folder, folder.parent] if folder.name in ("images", "input") else [folder]
    for root in roots:
        for place in MODEL_PLACES:
            base = root / place
            if not base.is_dir():
                continue
            models = [base] if is_model(base) else [path for path in sorted(base.iterdir()) if is_model(path)]
            if models and (place != "." or models == [base]):
                return max(models, key=_images_file_size)
    return None


def is_model(folder: Path) -> bool:
    """Return whether a folder holds the files of a COLMAP model."""
    return any(all((folder / f"{part}{suffix}").is_file() for part in ("cameras", "images")) for suffix in SUFFIXES)


def _images_file_size(model: Path) -> int:
    return max(
        (model / f"images{suffix}").stat().st_size for suffix in SUFFIXES if (model / f"images{suffix}").exists()
    )


def find_transforms(folder: Path) -> Path | None:
    """Return the transforms file of a project folder, or None."""
    return next((folder / name for name in FILE_NAMES if (folder / name).is_file()), None)
