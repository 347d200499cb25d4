import torch

from ilrm_cli.gaussians import Gaussians
from ilrm_cli.model.rays import directions_through, pixel_centers
from ilrm_cli.train.loss import depth_error
from ilrm_cli.train.samples import draw_sample


def splat_at_depth(sample, factor: int, stretch: float) -> Gaussians:
    """One Gaussian per viewpoint pixel, at `stretch` times the true depth."""
    grid = sample.inputs.cameras.resized(sample.inputs.cameras.width // factor, sample.inputs.cameras.height // factor)
    pixels = pixel_centers(grid.width, grid.height, grid.focal_px).expand(len(grid), -1, -1, -1)
    depth = sample.depth[:, factor // 2 :: factor, factor // 2 :: factor, None] * stretch
    means = (grid.positions[:, None, None] + depth * directions_through(grid, pixels)).flatten(0, 2)
    n = len(means)
    return Gaussians(
        means, torch.tensor([1.0, 0, 0, 0]).repeat(n, 1), torch.ones(n, 3), torch.full((n,), 0.5), torch.zeros(n, 1, 3)
    )


def test_depth_error_of_known_displacements():
    sample = draw_sample(0, 0, views=2, targets=1, width=32, height=24)
    assert float(depth_error(splat_at_depth(sample, 2, 1.0), sample)) < 1e-8
    doubled = float(depth_error(splat_at_depth(sample, 2, 2.0), sample))
    log2 = torch.log(torch.tensor(2.0))
    torch.testing.assert_close(torch.tensor(doubled), 0.1 * (log2 - 0.05), rtol=1e-3, atol=0)  # Huber, delta 0.1


def test_transparent_gaussians_pay_nothing():
    sample = draw_sample(0, 0, views=2, targets=1, width=32, height=24)
    wrong = splat_at_depth(sample, 2, 3.0)
    right = splat_at_depth(sample, 2, 1.0)
    half = torch.arange(len(wrong)) % 2 == 0
    mixed = Gaussians(
        torch.where(half[:, None], wrong.means, right.means),
        wrong.quaternions, wrong.scales, torch.where(half, 0.0, 0.9), wrong.harmonics,
    )  # fmt: skip
    assert float(depth_error(mixed, sample)) < 1e-8
