import numpy as np
import pytest
import torch

from ilrm_cli.synth.dataset import Photometry, training_scene
from ilrm_cli.synth.scenes import KINDS, SHARES, make_scene
from ilrm_cli.synth.textures import FAMILIES, SIZE, fetch, tile_bank
from ilrm_cli.synth.trajectories import SHOTS, draw_cameras, draw_fov_deg


def test_shares_sum_to_one():
    assert sum(SHARES.values()) == pytest.approx(1)


def test_same_number_same_bits_other_number_other_scene():
    a, b, c = (training_scene(5, i, 3, 32, 24) for i in (2, 2, 3))
    assert torch.equal(a.views.images, b.views.images)
    assert torch.equal(a.depth, b.depth)
    assert torch.equal(a.views.cameras.world_from_cam, b.views.cameras.world_from_cam)
    assert not torch.equal(a.views.images, c.views.images)


def test_photometry_changes_pictures_only():
    plain, noisy = (training_scene(1, 0, 2, 32, 32, photometry=p) for p in (None, Photometry(0.2, 0.05, 0.02)))
    assert torch.equal(plain.depth, noisy.depth)
    assert 0.005 < (plain.views.images - noisy.views.images).abs().mean() < 0.3
    assert noisy.views.images.min() >= 0
    assert noisy.views.images.max() <= 1


def test_pictures_have_the_statistics_of_photos():
    energies, means = [], []
    for index in range(24):
        scene = training_scene(11, index, 3, 64, 64)
        images, depth = scene.views.images, scene.depth
        assert images.isfinite().all()
        assert images.min() >= 0
        assert images.max() <= 1
        assert depth.isfinite().all()
        assert depth.min() > 0
        means.append(float(images.mean()))
        energies.append(float(images.diff(dim=-1).abs().mean()))
    assert 0.3 < np.mean(means) < 0.6
    assert np.min(means) > 0.1
    assert np.max(means) < 0.9
    assert 0.02 < np.mean(energies) < 0.1  # photos at 64 px: about 0.04 to 0.06
    assert np.min(energies) > 0.003


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_offers_cameras_that_share_a_subject(kind):
    found = 0
    for index in range(4):
        scene = make_scene(3, index, kind=kind)
        cameras = draw_cameras(scene, np.random.default_rng(index), 4, 48, 32)
        if cameras is None:
            continue
        found += 1
        rotation = cameras.world_from_cam[:, :3, :3]
        torch.testing.assert_close(rotation @ rotation.transpose(1, 2), torch.eye(3).expand(4, 3, 3), atol=1e-5, rtol=0)
        assert (torch.linalg.det(rotation) > 0).all()
        assert (rotation[:, 2, 1] < 0.3).all()  # image down is world down
        low, high = torch.tensor(scene.stage.low), torch.tensor(scene.stage.high)
        assert ((cameras.positions >= low - 1e-4) & (cameras.positions <= high + 1e-4)).all()
    assert found >= 1


def test_every_shot_of_every_stage_exists():
    for kind in KINDS:
        assert set(make_scene(0, 0, kind=kind).stage.shots) <= set(SHOTS)


def test_baselines_and_turns_are_small_and_large():
    """Films of a few centimetres and full circles both occur."""
    scene, rng = make_scene(3, 1, kind="table_top"), np.random.default_rng(0)
    distance = scene.stage.distance[1]
    film = draw_cameras(scene, rng, 6, 48, 48, "video")
    assert (film.positions[0] - film.positions[-1]).norm() < 0.5 * distance
    circle = next(c for _ in range(20) if (c := draw_cameras(scene, rng, 6, 48, 48, "around")) is not None)
    assert (circle.forward @ circle.forward.T).min() < -0.3


def test_fields_of_view_stay_in_range():
    rng = np.random.default_rng(0)
    degrees = np.array([draw_fov_deg(rng) for _ in range(500)])
    assert 35 <= degrees.min() < 42
    assert 85 < degrees.max() <= 95
    assert ((degrees > 45) & (degrees < 75)).mean() > 0.7


def test_tiles_repeat_and_average():
    bank = tile_bank(0)
    assert len(bank.texels) % len(FAMILIES) == 0
    f = np.float32
    here = fetch(bank.texels, 7, f(0.3), f(0.8), f(2.5))
    there = fetch(bank.texels, 7, f(1.3), f(-0.2), f(2.5))
    np.testing.assert_allclose(here, there, atol=1e-4)
    mean = bank.texels[7, : SIZE * SIZE, :3].mean(0) / 255
    np.testing.assert_allclose(fetch(bank.texels, 7, f(0.3), f(0.8), f(99)), mean, atol=0.01)


def test_a_shorter_span_brings_the_views_together():
    """Over several scenes: a quarter of the path is much shorter than all of it."""

    def extents(span: float) -> list[float]:
        scenes = [training_scene(5, i, 4, 16, 16, samples=1, span=span) for i in range(6)]
        return [float(s.views.cameras.positions.std(0).norm()) for s in scenes]

    assert sum(extents(0.25)) < 0.6 * sum(extents(1.0))
