"""Through lenses of 10 to 150 degrees, we place no fewer generated photos than pycolmap's default pipeline."""

import shutil

import pycolmap
import pytest

from ilrm_cli.data.synthetic import trajectories
from ilrm_cli.data.synthetic.collection import Order, write_collection
from ilrm_cli.data.synthetic.dataset import Shooting
from tests.capture.test_sfm_against_default import run_ours
from tests.support.default_sfm import run_default

PHOTOS = 14
SETS = [(fov_deg, kind) for fov_deg in (10.0, 30.0, 100.0, 124.0, 150.0) for kind in ("room", "statue")]


@pytest.mark.slow
@pytest.mark.parametrize(("fov_deg", "kind"), SETS)
def test_as_many_photos_through_any_lens(tmp_path, monkeypatch, fov_deg: float, kind: str):
    pycolmap.logging.minloglevel = 3
    monkeypatch.setattr(trajectories, "draw_fov_deg", lambda rng: fov_deg)
    (written,) = write_collection(tmp_path / "made", Order(1, shooting=Shooting(PHOTOS, 800, 600, kind=kind)))
    photos = tmp_path / "photos"  # without the poses beside them
    shutil.copytree(written.folder / "images", photos)
    default = run_default(photos)
    ours, sentence = run_ours(photos)
    print(f"\n{fov_deg:g} degrees, {kind}: default {len(default.placed)}, ours {len(ours.placed)} {sentence}")  # noqa: T201
    assert len(ours.placed) >= len(default.placed), sentence
