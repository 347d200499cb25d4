"""COLMAP models of made-up points, cheap enough for every test."""

import pycolmap


def synthetic_model(images: int = 6, points: int = 80, seed: int = 0) -> pycolmap.Reconstruction:
    pycolmap.set_random_seed(seed)
    options = pycolmap.SyntheticDatasetOptions()
    options.num_rigs, options.num_cameras_per_rig, options.num_frames_per_rig = 1, 1, images
    options.num_points3D = points
    return pycolmap.synthesize_dataset(options)
