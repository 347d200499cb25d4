"""COLMAP models, binary and text, with every camera model COLMAP has."""

from pathlib import Path

import numpy as np
import pycolmap

from ilrm_cli.errors import InputError
from ilrm_cli.pose.lenses import checked_lens, lens_of
from ilrm_cli.pose.posed import Pose, PoseSet

MODEL_PLACES = ("sparse", ".", "colmap/sparse", "distorted/sparse", "dense/sparse", "undistorted/sparse")
SUFFIXES = (".bin", ".txt")
MESSAGES_FROM = 3  # glog level from which COLMAP's own messages pass: 3 is FATAL


def find_model(folder: Path) -> Path | None:
    """The folder of the COLMAP model that belongs to a project folder, or None.

    Looked for in `sparse/0`, `sparse`, the folder itself and where common tools put it; among the numbered models
    of one place the one with the largest image list is taken. A folder named `images` or `input` is looked at
    from its parent.
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
    """Whether a folder holds the files of a COLMAP model."""
    return any(all((folder / f"{part}{suffix}").is_file() for part in ("cameras", "images")) for suffix in SUFFIXES)


def _images_file_size(model: Path) -> int:
    return max(
        (model / f"images{suffix}").stat().st_size for suffix in SUFFIXES if (model / f"images{suffix}").exists()
    )


def read_model(folder: Path) -> PoseSet:
    """Poses, lenses and points of a COLMAP model. Raises InputError if it is damaged or holds no pose."""
    return poses_of(load_reconstruction(folder), str(folder))


def load_reconstruction(folder: Path) -> pycolmap.Reconstruction:
    """pycolmap's own object. Raises InputError if the files are damaged."""
    pycolmap.logging.minloglevel = MESSAGES_FROM
    try:
        return pycolmap.Reconstruction(str(folder))
    except (ValueError, IndexError, RuntimeError, MemoryError) as error:
        raise InputError(f"The COLMAP model in {folder} is damaged; export it again.") from error


def poses_of(model: pycolmap.Reconstruction, where: str) -> PoseSet:
    """Poses, lenses and points of a reconstruction; `where` names it in messages."""
    lenses = {key: checked_lens(lens_of(camera), where) for key, camera in model.cameras.items()}
    poses = []
    for image in model.images.values():
        if not image.has_pose:
            continue
        world_from_cam = np.eye(4)
        world_from_cam[:3] = image.cam_from_world().inverse().matrix()
        if not np.isfinite(world_from_cam).all():
            raise InputError(f"{where}: the pose of {image.name} is not finite; the file is damaged.")
        poses.append(Pose(image.name.replace("\\", "/"), lenses[image.camera_id], world_from_cam))
    if not poses:
        raise InputError(f"The COLMAP model in {where} holds no posed photo; make the model again.")
    points = np.array([point.xyz for point in model.points3D.values()], dtype=np.float64).reshape(-1, 3)
    return PoseSet(tuple(sorted(poses, key=lambda pose: pose.name)), points)
