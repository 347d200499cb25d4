import numpy as np
import torch

from ilrm_cli.data.synthetic.sensor import MAX_SHARE, Triangulation, draw_triangulation, triangulated


def stripes() -> tuple[torch.Tensor, torch.Tensor]:
    """Return two views: left half plain, right half striped, at a depth of 2; the last rows far away."""
    images = torch.full((2, 3, 40, 60), 0.5)
    images[..., 30::2] = 1.0
    depth = torch.full((2, 40, 60), 2.0)
    depth[:, 35:] = 50.0
    return images, depth


def test_points_lie_on_textured_near_surfaces():
    images, depth = stripes()
    found = triangulated(images, depth, Triangulation(points=200), np.random.default_rng(0))
    assert (found > 0).sum(dim=(1, 2)).tolist() == [200, 200]
    assert set(found[found > 0].tolist()) == {2.0}
    assert (found[..., 30:] > 0).sum() > 10 * (found[..., :29] > 0).sum()
    assert not found[:, 35:].any()


def test_noise_and_outliers():
    images, depth = stripes()
    quality = Triangulation(points=300, noise=0.01, outliers=0.1)
    found = triangulated(images, depth, quality, np.random.default_rng(0))
    error = (found[found > 0] / 2).log().abs()
    assert 0.004 < error.median() < 0.012
    assert 0.03 < (error > 0.05).float().mean() < 0.15


def test_never_more_points_than_there_is_room_for():
    images, depth = stripes()
    found = triangulated(images, depth, Triangulation(points=1e6), np.random.default_rng(0))
    assert (found > 0).float().mean() <= MAX_SHARE
    only_sky = triangulated(
        images,
        torch.full_like(depth, 9.0).index_fill(2, torch.arange(30), 1.0),
        Triangulation(far=2),
        np.random.default_rng(0),
    )
    assert only_sky[..., 30:].sum() == 0


def test_captures_differ():
    rng = np.random.default_rng(0)
    drawn = [draw_triangulation(rng) for _ in range(50)]
    assert min(d.points for d in drawn) < 100
    assert max(d.points for d in drawn) > 800
    assert min(d.far for d in drawn) < 2 < 6 < max(d.far for d in drawn)
