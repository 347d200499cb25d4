"""Structure from motion of small scenes, with and without masks, and its cache."""

import threading
from pathlib import Path

import numpy as np
import pycolmap
import pytest
from PIL import Image

from ilrm_cli.capture.sfm.database import ALIKE, alike_pairs, matched_pairs
from ilrm_cli.capture.sfm.judge import travel_deg
from ilrm_cli.capture.sfm.solve import SfmResult, kept, solve, write
from ilrm_cli.geometry.cameras import Lens
from ilrm_cli.geometry.views import LeftOut
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.runtime.progress import Step
from tests.support.photographed import FOCAL, HEIGHT, WIDTH, cameras_on_an_arc, photograph, save_photos
from tests.support.synthetic_model import synthetic_model


def same_up_to_similarity(found: np.ndarray, true: np.ndarray) -> float:
    """Return the largest distance of two point sets, in spreads, after the best similarity (Umeyama 1991)."""
    a, b = found - found.mean(0), true - true.mean(0)
    u, s, vh = np.linalg.svd(b.T @ a)
    sign = np.diag([1, 1, np.sign(np.linalg.det(u @ vh))])
    scale = np.trace(np.diag(s) @ sign) / (a**2).sum()
    return float(np.linalg.norm(scale * a @ (u @ sign @ vh).T - b, axis=1).max() / np.linalg.norm(b, axis=1).max())


# Known values


def test_all_pairs_up_to_sixty():
    assert matched_pairs(3) == [(0, 1), (0, 2), (1, 2)]
    assert len(matched_pairs(60)) == 60 * 59 // 2


def test_beyond_sixty_neighbours_powers_of_two_and_loops():
    pairs = set(matched_pairs(500))
    assert len(pairs) == len(matched_pairs(500)) < 500 * 16 + 40 * 39 // 2
    assert {(100, 100 + step) for step in (1, 10, 16, 256)} <= pairs
    assert (100, 111) not in pairs
    assert (0, 499) in pairs
    assert all(0 <= i < j < 500 for i, j in pairs)
    assert set(matched_pairs(500, {(100, 111)})) == pairs | {(100, 111)}


def test_neighbours_are_found_by_their_looks_where_names_are_in_no_order(tmp_path):
    count, order = 40, np.random.default_rng(0).permutation(40)
    poses = cameras_on_an_arc(count, spread_deg=80)
    paths = []
    for name, place in enumerate(order):
        Image.fromarray(photograph(poses[place])).save(tmp_path / f"{name}.jpg")
        paths.append(tmp_path / f"{name}.jpg")
    pairs = alike_pairs(paths)
    assert len(pairs) <= ALIKE * count
    steps = np.array([abs(order[i] - order[j]) for i, j in pairs])
    assert (steps <= 5).mean() > 0.6  # by chance 0.24
    assert (steps == 1).sum() >= 0.9 * (count - 1)


# The whole chain, on photographs with known cameras


def test_poses_of_photographs_are_found(tmp_path):
    poses = cameras_on_an_arc(6)
    paths = save_photos(tmp_path / "photos" / "0000", poses)
    files = {f"0000/{path.name}": f"my photo {i}" for i, path in enumerate(paths)}
    work, steps = tmp_path / "work", list[Step]()
    work.mkdir()
    result = solve(tmp_path / "photos", files, work, seed=0, report=steps.append)
    images = sorted(result.model.images.values(), key=lambda image: image.name)
    assert [image.name for image in images] == [f"my photo {i}" for i in range(6)]
    found = np.array([image.projection_center() for image in images])
    assert same_up_to_similarity(found, np.array([pose[:3, 3] for pose in poses])) < 0.02
    (camera,) = result.model.cameras.values()
    assert camera.mean_focal_length() == pytest.approx(FOCAL, rel=0.05)
    assert camera.width == WIDTH
    assert 30 < travel_deg(result.model) < 50  # an arc of 40 degrees
    assert result.warnings == ()
    totals = {"features": 6, "matching": 15, "mapping": 6}
    for stage, total in totals.items():
        of_stage = [step for step in steps if step.stage == stage]
        assert of_stage[0].done == 0
        assert of_stage[-1].done == total
        assert {step.total for step in of_stage} == {total}
        assert [step.done for step in of_stage] == sorted(step.done for step in of_stage)


@pytest.mark.slow
def test_two_places_are_told_apart(tmp_path):
    one = save_photos(tmp_path / "photos" / "0000", cameras_on_an_arc(6), seed=1, prefix="here")
    two = save_photos(tmp_path / "photos" / "0000", cameras_on_an_arc(4), seed=2, prefix="there")
    (tmp_path / "work").mkdir()
    result = solve(tmp_path / "photos", {f"0000/{p.name}": p.name for p in one + two}, tmp_path / "work")
    assert {image.name for image in result.model.images.values()} == {path.name for path in one}
    text = " ".join(result.warnings)
    assert "6 of 10 photos" in text
    assert "the other has 4" in text
    assert "there_000.png" in text
    assert "could not be placed" not in text, "they are named once"


def test_photos_without_overlap(tmp_path):
    files = {}
    for seed in range(4):
        (path,) = save_photos(tmp_path / "photos" / "0000", cameras_on_an_arc(1), seed=seed, prefix=f"p{seed}")
        files[f"0000/{path.name}"] = path.name
    (tmp_path / "work").mkdir()
    with pytest.raises(InputError, match=r"4 photos, as no three of them share enough points"):
        solve(tmp_path / "photos", files, tmp_path / "work")


# Known lenses, repeated runs and Ctrl-C


def test_a_known_lens_stays_as_it_is(tmp_path):
    """The lens is given for photos of twice the size, and a little wrong, so that mapping would have changed it."""
    paths = save_photos(tmp_path / "photos" / "0", cameras_on_an_arc(4))
    files = {f"0/{path.name}": path.name for path in paths}
    (tmp_path / "work").mkdir()
    known = Lens("PINHOLE", (610.0, 610.0, 320.0, 240.0), 640, 480)
    result = solve(tmp_path / "photos", files, tmp_path / "work", lenses=dict.fromkeys(files, known))
    (camera,) = result.model.cameras.values()
    assert (camera.model_name, list(camera.params)) == ("PINHOLE", [305.0, 305.0, 160.0, 120.0])


def test_the_same_seed_gives_the_same_poses_to_the_last_bit(tmp_path):
    paths = save_photos(tmp_path / "photos" / "0", cameras_on_an_arc(5))
    files = {f"0/{path.name}": path.name for path in paths}
    found = []
    for run in ("one", "two"):
        (tmp_path / run).mkdir()
        model = solve(tmp_path / "photos", files, tmp_path / run, seed=3).model
        found.append({image.name: image.cam_from_world().matrix() for image in model.images.values()})
    for name, pose in found[0].items():
        np.testing.assert_array_equal(pose, found[1][name])


@pytest.mark.parametrize("stage", ["features", "matching", "mapping"])
def test_ctrl_c_ends_every_stage_at_once(tmp_path, stage):
    paths = save_photos(tmp_path / "photos" / "0", cameras_on_an_arc(5))
    (tmp_path / "work").mkdir()

    def interrupt(step: Step) -> None:
        if step.stage == stage:
            raise KeyboardInterrupt

    threads = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        solve(tmp_path / "photos", {f"0/{p.name}": p.name for p in paths}, tmp_path / "work", report=interrupt)
    assert threading.active_count() == threads  # nothing goes on writing


def test_photos_that_pycolmap_passes_over_are_named(tmp_path):
    """One photo has no texture; pycolmap says nothing about it."""
    paths = save_photos(tmp_path / "photos" / "0", cameras_on_an_arc(4))
    Image.new("RGB", (WIDTH, HEIGHT), "gray").save(tmp_path / "photos" / "0" / "gray.png")
    files = {f"0/{path.name}": path.name for path in paths} | {"0/gray.png": "gray.png"}
    (tmp_path / "work").mkdir()
    result = solve(tmp_path / "photos", files, tmp_path / "work")
    (photo,) = result.left_out
    assert (photo.name, "too few features (0;" in photo.reason) == ("gray.png", True)
    assert any("gray.png" in warning for warning in result.warnings)


# The cache


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    """Give each test a cache of its own."""
    monkeypatch.setenv("ILRM_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def store(result: SfmResult) -> None:
    with kept([], {}).filling() as new:
        write(result, new)


def test_a_kept_model_comes_back():
    model = synthetic_model()
    stored = SfmResult(model, ("Ünwell.",), (LeftOut("é.jpg", "it is alone"),), ("take more.",))
    store(stored)
    again = kept([], {}).read()
    assert again is not None
    assert (again.left_out, again.advice) == (stored.left_out, stored.advice)
    assert again.warnings == ("Ünwell.",)
    assert {i.name for i in again.model.images.values()} == {i.name for i in model.images.values()}


def test_absent_and_damaged_entries_are_no_entries():
    assert kept([], {}).read() is None
    store(SfmResult(synthetic_model(), ()))
    images = kept([], {}).folder / "images.bin"
    images.write_bytes(images.read_bytes()[:100])
    assert kept([], {}).read() is None
    store(SfmResult(synthetic_model(), ()))
    assert kept([], {}).read() is not None


def test_the_place_follows_content_names_and_options(tmp_path):
    def place(content: bytes = b"x", name: str = "a", seed: int = 0) -> Path:
        path = Path(tmp_path, content.decode())
        path.write_bytes(content)
        return kept([(name, path)], {"seed": seed}).folder

    assert place() == place()
    assert len({place(), place(b"y"), place(name="b"), place(seed=1)}) == 4


def test_masked_pixels_give_no_features(tmp_path: Path) -> None:
    """The left half of every photo is masked."""
    files = {f"0/{path.name}": path.name for path in save_photos(tmp_path / "photos" / "0", cameras_on_an_arc(4))}
    mask = np.full((HEIGHT, WIDTH), 255, dtype=np.uint8)
    mask[:, : WIDTH // 2] = 0
    (tmp_path / "masks" / "0").mkdir(parents=True)
    for file in files:
        Image.fromarray(mask).save(tmp_path / "masks" / f"{file}.png")
    (tmp_path / "work").mkdir()
    result = solve(tmp_path / "photos", files, tmp_path / "work", masks=tmp_path / "masks")
    assert result.model.num_reg_images() == 4
    with pycolmap.Database.open(tmp_path / "work" / "database.db") as database:
        for image in database.read_all_images():
            across = database.read_keypoints(image.image_id)[:, 0]
            assert len(across) > 100
            assert across.min() >= WIDTH // 2
