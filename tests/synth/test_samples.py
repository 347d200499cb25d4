from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ilrm_cli.data.synthetic.raycaster.raycast import render_scene
from ilrm_cli.data.synthetic.sample_scenes import SAMPLES, SAMPLES_PER_PIXEL, sample_cameras

FOLDER = Path(__file__).resolve().parents[2] / "sample_scenes"


@pytest.mark.parametrize("name", SAMPLES)
def test_shipped_photos_are_what_the_generator_makes(name):
    """If this fails because the generator changed, run make sample_scenes again, as its README says."""
    scene, cameras = sample_cameras(SAMPLES[name])
    image = render_scene(scene, cameras[2:3], SAMPLES_PER_PIXEL)[0][0]
    [file] = FOLDER.glob(f"{name}/**/003.jpg")
    shipped = torch.from_numpy(np.array(Image.open(file))).permute(2, 0, 1) / 255
    assert -10 * torch.log10((image - shipped).square().mean()) > 30


def test_samples_are_complete_and_small():
    for name, sample in SAMPLES.items():
        assert len(list(FOLDER.glob(f"{name}/**/*.jpg"))) == sample.views
        assert (FOLDER / name / "sparse" / "0").is_dir() == sample.posed
    assert sum(p.stat().st_size for p in FOLDER.rglob("*") if p.is_file()) < 4e6
