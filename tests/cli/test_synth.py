from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from ilrm_cli.capture.photos.pixels import read_photo
from ilrm_cli.data.checks import check_folder
from ilrm_cli.data.synthetic import collection
from ilrm_cli.data.synthetic.dataset import Shooting, training_scene
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.runtime.files import PREFIX
from tests.support.command_line import ilrm
from tests.support.opened import gathered


def test_written_scenes_are_read_with_the_same_cameras(tmp_path):
    out = tmp_path / "made"
    done = ilrm("synth", out, "--scenes", "2", "--views", "3", "--size", "64", "--samples", "1", "--json")
    assert done.status == 0, done.err
    assert [scene["folder"] for scene in done.json["scenes"]] == [str(out / "000000"), str(out / "000001")]
    capture = gathered(out / "000001")
    assert capture.origin == "colmap"
    cameras = training_scene(0, 1, Shooting(3, 64, 48, samples=1)).true_cameras
    assert len(capture.photos) == 3
    for k, photo in enumerate(sorted(capture.photos, key=lambda photo: photo.path.name)):
        np.testing.assert_allclose(photo.world_from_cam, cameras.world_from_cam[k], atol=1e-5)
        assert photo.lens.params[0] == np.float32(cameras.focal_px[k, 0])
        assert (photo.lens.width, photo.lens.height) == (64, 48)


def test_photos_and_poses_are_spoilt_as_asked(tmp_path):
    common = ("-n", "1", "--views", "2", "--size", "64", "--samples", "1", "-q")
    assert ilrm("synth", tmp_path / "exact", *common).status == 0
    spoilt = ("--drift", "0.1", "--noise", "0.05", "--jpeg", "40", "--pose-noise", "0.5")
    assert ilrm("synth", tmp_path / "spoilt", *common, *spoilt).status == 0
    exact, noisy = (gathered(tmp_path / name / "000000") for name in ("exact", "spoilt"))
    for one, other in zip(exact.photos, noisy.photos, strict=True):
        turned = one.world_from_cam[:3, :3].T @ other.world_from_cam[:3, :3]
        angle_deg = np.degrees(np.arccos(np.clip((np.trace(turned) - 1) / 2, -1, 1)))
        assert 0.05 < angle_deg < 3
        assert not np.array_equal(read_photo(one.path), read_photo(other.path))
    depths = (
        np.load(tmp_path / name / "000000" / "depth" / f"{exact.photos[0].path.stem}.npy")
        for name in ("exact", "spoilt")
    )
    np.testing.assert_array_equal(*depths)


def test_the_table_names_every_scene(tmp_path):
    done = ilrm("synth", tmp_path / "made", "-n", "1", "--views", "2", "--size", "32", "--kind", "statue")
    assert done.status == 0, done.err
    assert "000000" in done.out
    assert "statue" in done.out
    assert "contact_sheet.jpg" in done.out


def test_an_existing_folder_is_refused_in_one_sentence(tmp_path):
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "mine.txt").touch()
    done = ilrm("synth", tmp_path / "made")
    assert done.status == 1
    assert "holds files already" in done.sentence
    assert [path.name for path in (tmp_path / "made").iterdir()] == ["mine.txt"]


def test_what_a_killed_one_left_is_no_hindrance(tmp_path):
    (tmp_path / "made" / f"{PREFIX}elsewhere.1.x").mkdir(parents=True)
    check_folder(tmp_path / "made", overwrite=False)
    with pytest.raises(InputError, match="holds files already"):
        check_folder(tmp_path, overwrite=False)


def test_one_that_is_stopped_says_how_many_scenes_are_whole(tmp_path, monkeypatch):
    def stopped_after_one(out: Path, order: collection.Order) -> Iterator[SimpleNamespace]:
        yield SimpleNamespace(statistics=SimpleNamespace(kind="statue"))
        raise KeyboardInterrupt

    monkeypatch.setattr(collection, "write_collection", stopped_after_one)
    done = ilrm("synth", tmp_path / "made", "--json")
    assert done.status == 130
    assert done.json == {"command": "synth", "status": "stopped", "scenes": 1}
