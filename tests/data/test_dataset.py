import numpy as np
import pytest
import torch

from ilrm_cli.data.synthetic.dataset import Shooting, training_scene
from ilrm_cli.data.synthetic.materials.patterns import SIZE
from ilrm_cli.data.synthetic.materials.textures import FAMILIES, fetch, tile_bank
from ilrm_cli.data.synthetic.scenes.by_number import KINDS, SHARES, make_scene
from ilrm_cli.data.synthetic.sensor import Photometry, PoseNoise, through_jpeg
from ilrm_cli.data.synthetic.trajectories import SHOTS, draw_cameras, draw_fov_deg


def test_shares_sum_to_one():
    assert sum(SHARES.values()) == pytest.approx(1)


def test_same_number_same_bits_other_number_other_scene():
    a, b, c = (training_scene(5, i, Shooting(3, 32, 24)) for i in (2, 2, 3))
    assert torch.equal(a.views.images, b.views.images)
    assert torch.equal(a.depth, b.depth)
    assert torch.equal(a.views.cameras.world_from_cam, b.views.cameras.world_from_cam)
    assert not torch.equal(a.views.images, c.views.images)


def test_photometry_changes_pictures_only():
    looks = (None, Photometry(0.2, 0.05, 0.02))
    plain, noisy = (training_scene(1, 0, Shooting(2, 32, 32, photometry=look)) for look in looks)
    assert torch.equal(plain.depth, noisy.depth)
    assert 0.005 < (plain.views.images - noisy.views.images).abs().mean() < 0.3
    assert noisy.views.images.min() >= 0
    assert noisy.views.images.max() <= 1


def test_pictures_have_the_statistics_of_photos():
    energies, means = [], []
    for index in range(24):
        scene = training_scene(11, index, Shooting(3, 64, 64))
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
        scenes = [training_scene(5, i, Shooting(4, 16, 16, samples=1, span=span)) for i in range(6)]
        return [float(s.views.cameras.positions.std(0).norm()) for s in scenes]

    assert sum(extents(0.25)) < 0.6 * sum(extents(1.0))


def test_normals_point_at_the_camera_and_agree_with_depth():
    scene = training_scene(4, 0, Shooting(2, 64, 48, normals=True, kind="table_top"))
    normals, cameras = scene.normals, scene.true_cameras
    solid = normals.norm(dim=1) > 0
    torch.testing.assert_close(normals.norm(dim=1)[solid], torch.ones(int(solid.sum())), atol=1e-4, rtol=0)
    rows, columns = torch.meshgrid(torch.arange(48) + 0.5, torch.arange(64) + 0.5, indexing="ij")
    for view in range(2):
        center, focal = cameras.center_px[view], cameras.focal_px[view]
        ray = torch.stack([(columns - center[0]) / focal[0], (rows - center[1]) / focal[1], torch.ones(48, 64)], -1)
        pose = cameras.world_from_cam[view]
        ray = ray @ pose[:3, :3].T
        facing = (normals[view].permute(1, 2, 0) * ray).sum(-1)
        assert (facing[solid[view]] < 1e-3).float().mean() > 0.999
        points = pose[:3, 3] + scene.depth[view][..., None] * ray
        measured = torch.linalg.cross(
            points[1:-1, 2:] - points[1:-1, :-2], points[2:, 1:-1] - points[:-2, 1:-1], dim=-1
        )
        agree = (torch.nn.functional.normalize(measured, dim=-1) * normals[view].permute(1, 2, 0)[1:-1, 1:-1]).sum(-1)
        agree = agree[solid[view, 1:-1, 1:-1]]
        assert (agree.abs() > 0.95).float().mean() > 0.75  # edges and fine things aside


def test_pose_noise_moves_the_given_cameras_only():
    plain, noisy = (training_scene(4, 1, Shooting(4, 32, 32, pose_noise=p)) for p in (None, PoseNoise(0.2, 0.01)))
    assert torch.equal(plain.views.images, noisy.views.images)
    assert torch.equal(plain.views.cameras.world_from_cam, noisy.true_cameras.world_from_cam)
    given, true = noisy.views.cameras.world_from_cam, noisy.true_cameras.world_from_cam
    turned = (given[:, :3, :3].transpose(1, 2) @ true[:, :3, :3]).diagonal(dim1=1, dim2=2).sum(1)
    degrees = torch.rad2deg(((turned - 1) / 2).clamp(-1, 1).acos())
    assert 0.02 < degrees.mean() < 1.0
    moved = (given[:, :3, 3] - true[:, :3, 3]).norm(dim=1) / plain.depth.median()
    assert 0.002 < moved.mean() < 0.06
    rotation = given[:, :3, :3]
    torch.testing.assert_close(rotation @ rotation.transpose(1, 2), torch.eye(3).expand(4, 3, 3), atol=1e-5, rtol=0)


def test_jpeg_costs_more_at_lower_quality():
    image = training_scene(4, 2, Shooting(1, 64, 64)).views.images[0]
    errors = [float((through_jpeg(image, quality) - image).square().mean()) for quality in (95, 60, 15)]
    assert 0 < errors[0] < errors[1] < errors[2] < 0.02
    scene = training_scene(4, 2, Shooting(2, 64, 64, photometry=Photometry(jpeg_quality=(40, 50))))
    plain = training_scene(4, 2, Shooting(2, 64, 64))
    assert 1e-5 < (scene.views.images[0] - plain.views.images[0]).square().mean() < 0.01


@pytest.mark.parametrize(("width", "height"), [(64, 64), (64, 48), (96, 64), (96, 54), (48, 64)])
def test_cameras_keep_their_field_of_view_in_every_aspect(width, height):
    scene, rng = make_scene(3, 1, kind="table_top"), np.random.default_rng(1)
    drawn = [c for _ in range(8) if (c := draw_cameras(scene, rng, 3, width, height)) is not None]
    assert drawn
    for cameras in drawn:
        assert (cameras.width, cameras.height) == (width, height)
        longer = 2 * torch.rad2deg(torch.atan(max(width, height) / 2 / cameras.focal_px))
        assert (longer > 34.9).all()
        assert (longer < 95.1).all()
        assert torch.equal(cameras.center_px[0], torch.tensor([width / 2, height / 2]))


@pytest.mark.parametrize("kind", ["statue", "table_top", "close_up", "monument_building"])
def test_sparse_circles_close(kind):
    """Eight views all the way around: neighbours are about 45 degrees apart, the first next to the last."""
    for index in range(12):
        scene, rng = make_scene(8, index, kind=kind), np.random.default_rng(index)
        cameras = draw_cameras(scene, rng, 8, 48, 48, "circle")
        if cameras is not None:
            break
    arm = (cameras.positions - torch.tensor(scene.stage.focus))[:, :2]
    azimuth = torch.atan2(arm[:, 1], arm[:, 0])
    gaps = torch.remainder(azimuth.sort().values.diff(append=azimuth.min()[None] + 2 * torch.pi), 2 * torch.pi)
    assert torch.rad2deg(gaps).max() < 100
