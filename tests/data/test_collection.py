"""Collections of procedural scenes, and the sample scenes of this repository."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ilrm_cli.data.checks import picture_size
from ilrm_cli.data.synthetic import collection
from ilrm_cli.data.synthetic.collection import Order, check_order, statistics_of, write_collection
from ilrm_cli.data.synthetic.dataset import Shooting, training_scene
from ilrm_cli.data.synthetic.raycaster.raycast import render_scene
from ilrm_cli.data.synthetic.sample_scenes import SAMPLES, SAMPLES_PER_PIXEL, sample_cameras
from ilrm_cli.runtime.errors import InputError

ORDER = Order(scenes=2, seed=3, shooting=Shooting(3, 48, 32, samples=1, normals=True))

FOLDER = Path(__file__).resolve().parents[2] / "sample_scenes"


def test_picture_sizes():
    assert picture_size("4:3", 256) == (256, 192)
    assert picture_size("9:16", 320) == (180, 320)
    for wrong in ("4x3", "0:1", "4:3:2", "a:b"):
        with pytest.raises(InputError, match="aspect"):
            picture_size(wrong, 256)


def test_scenes_hold_what_was_rendered(tmp_path):
    out = tmp_path / "made"
    written = list(write_collection(out, ORDER))
    assert sorted(path.name for path in out.iterdir()) == ["000000", "000001", "contact_sheet.jpg"]
    scene = training_scene(3, 1, Shooting(3, 48, 32, samples=1, normals=True))
    for k in range(3):
        np.testing.assert_array_equal(np.load(out / f"000001/depth/00{k + 1}.npy"), scene.depth[k])
        normals = np.load(out / f"000001/normals/00{k + 1}.npy")
        np.testing.assert_allclose(normals, scene.normals[k].permute(1, 2, 0), atol=1e-3)
    record = json.loads((out / "000001" / "scene.json").read_text())
    assert record["seed"] == 3
    assert record["kind"] == scene.kind == written[1].statistics.kind


def test_a_stopped_run_leaves_whole_scenes_only(tmp_path, monkeypatch):
    out, fill = tmp_path / "made", collection._fill

    def interrupted(folder, scene, record, seed):
        fill(folder, scene, record, seed)
        if record["index"] == 1:
            raise KeyboardInterrupt

    monkeypatch.setattr(collection, "_fill", interrupted)
    with pytest.raises(KeyboardInterrupt):
        list(write_collection(out, ORDER))
    assert [path.name for path in out.iterdir()] == ["000000"]
    assert (out / "000000" / "scene.json").is_file()


def test_scenes_there_are_replaced_only_when_asked(tmp_path):
    out = tmp_path / "made"
    (out / "000000" / "depth").mkdir(parents=True)
    for file in ("scene.json", "depth/old.npy"):
        (out / "000000" / file).touch()
    (out / "mine.txt").touch()
    with pytest.raises(InputError, match="holds files already"):
        check_order(out, ORDER, overwrite=False)
    check_order(out, ORDER, overwrite=True)
    list(write_collection(out, ORDER))
    assert not (out / "000000" / "depth" / "old.npy").exists()
    assert (out / "mine.txt").exists()


def test_orders_that_cannot_be_carried_out(tmp_path):
    with pytest.raises(InputError, match="unknown"):
        check_order(tmp_path / "made", Order(1, shooting=Shooting(8, 256, 192, kind="castle")), overwrite=False)
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="is not a folder"):
        check_order(tmp_path / "file" / "made", Order(1), overwrite=False)
    with pytest.raises(InputError, match="is a file"):
        check_order(tmp_path / "file", Order(1), overwrite=True)


def test_statistics_of_equal_views():
    """Three cameras in one place see the same: full overlap, no baseline."""
    scene = training_scene(3, 0, Shooting(3, 48, 32))
    one = torch.zeros(3, dtype=torch.long)
    same = type(scene)(scene.views[one], scene.depth[one], scene.kind, scene.true_cameras[one])
    figures = statistics_of(same)
    assert figures.overlap == pytest.approx(1.0, abs=0.02)
    assert figures.baseline_to_depth == pytest.approx(0, abs=1e-4)
    apart = statistics_of(scene)
    assert 0 < apart.overlap < 1
    assert apart.depth_near < apart.depth_median < apart.depth_far
    assert 35 <= apart.field_of_view_deg <= 95


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
