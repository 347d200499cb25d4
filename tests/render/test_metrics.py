import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from ilrm_cli.geometry.views import Views
from ilrm_cli.render.metrics import PSNR_CAP, evened_psnr, mean_ssim, psnr, score, score_of, score_views, ssim
from ilrm_cli.render.rasterize import render
from ilrm_cli.runtime.progress import Step
from tests.support.captures import cameras_at
from tests.support.splats import splats


def noisy_pair() -> tuple[torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(0)
    clean = torch.rand(2, 3, 40, 32, generator=g)
    return clean, (clean + 0.1 * torch.randn(clean.shape, generator=g)).clamp(0, 1)


def test_psnr_of_a_constant_difference():
    assert torch.allclose(psnr(torch.full((1, 3, 4, 4), 0.6), torch.full((1, 3, 4, 4), 0.5)), torch.tensor(20.0))


def test_identical_images():
    clean, _ = noisy_pair()
    assert psnr(clean, clean).tolist() == [PSNR_CAP, PSNR_CAP]
    torch.testing.assert_close(ssim(clean, clean), torch.ones(2))


def test_colours_outside_the_range_are_clamped():
    assert psnr(torch.full((1, 3, 4, 4), 7.0), torch.ones(1, 3, 4, 4)).item() == PSNR_CAP


def test_ssim_against_scipy():
    """The expected value is the same formula with scipy's Gaussian filter (truncated to 11 px) on the valid region."""
    x, y = (t.double().numpy() for t in noisy_pair())

    def blur(a: np.ndarray) -> np.ndarray:
        return gaussian_filter(a, (0, 0, 1.5, 1.5), radius=(0, 0, 5, 5))[:, :, 5:-5, 5:-5]

    mx, my = blur(x), blur(y)
    vx, vy, cov = blur(x * x) - mx**2, blur(y * y) - my**2, blur(x * y) - mx * my
    expected = (2 * mx * my + 1e-4) * (2 * cov + 9e-4) / ((mx**2 + my**2 + 1e-4) * (vx + vy + 9e-4))
    ours = ssim(torch.from_numpy(x), torch.from_numpy(y))
    np.testing.assert_allclose(ours.numpy(), expected.mean(axis=(1, 2, 3)), rtol=1e-6)


def test_masked_pixels_do_not_count():
    """This holds for any content; the rest counts as it does in an image that ends there."""
    clean, noisy = noisy_pair()
    masks = torch.ones(2, 40, 32)
    masks[:, :, 16:] = 0
    spoilt = torch.where(masks[:, None] > 0, noisy, 1 - clean)
    torch.testing.assert_close(psnr(spoilt, clean, masks), psnr(noisy[..., :16], clean[..., :16]))
    torch.testing.assert_close(ssim(spoilt, clean, masks), ssim(noisy, clean, masks))
    assert (ssim(clean * masks[:, None], clean, masks) == 1).all()
    torch.testing.assert_close(ssim(noisy, clean, torch.ones(2, 40, 32)), ssim(noisy, clean))


def seen() -> Views:
    """Return two photos of splats, as targets that no render matches exactly."""
    poses = torch.eye(4).repeat(2, 1, 1)
    poses[1, 0, 3] = 0.3
    cameras = cameras_at(poses.double()).to(torch.float32)
    return Views(render(splats(50, 0), cameras).color * 0.9, cameras)


def test_scores_of_a_scene_are_the_means_over_its_views():
    views, reported = seen(), list[Step]()
    found = score_of(splats(50, 0), views, reported.append)
    assert [(step.stage, step.done, step.total) for step in reported] == [("scoring", 1, 2), ("scoring", 2, 2)]
    assert len(found.views) == len(views)
    assert found.psnr == pytest.approx(sum(view.psnr for view in found.views) / 2, abs=1e-5)
    assert found.ssim == pytest.approx(sum(view.ssim for view in found.views) / 2, abs=1e-6)
    assert found.psnr == score(splats(50, 0), views)
    for index, view in enumerate(found.views):
        assert torch.equal(view.render, render(splats(50, 0), views.cameras[[index]]).color[0])
        assert view.psnr == float(psnr(view.render[None], views[[index]].images))


def test_any_measure_is_taken_of_any_pictures_without_masked_pixels():
    views = seen()
    masks = torch.ones(2, views.cameras.height, views.cameras.width)
    masks[:, :, 20:] = 0
    masked = Views(views.images, views.cameras, masks=masks)
    spoilt = torch.where(masks[:, None] > 0, views.images, 0)
    (plain,) = score_views(spoilt.split(1), views, psnr)
    (without,) = score_views(spoilt.split(1), masked, psnr)
    assert (plain < PSNR_CAP).all()
    assert without.tolist() == [PSNR_CAP] * 2


@pytest.mark.parametrize("size", [(11, 11), (12, 40), (37, 23)])
def test_the_compiled_mean_of_ssim_and_its_gradient_are_those_of_torch(size):
    generator = torch.Generator().manual_seed(3)
    truth = torch.rand(2, 3, *size, generator=generator)
    images = truth + 0.4 * torch.randn(2, 3, *size, generator=generator)  # some outside of [0, 1]
    found = []
    for measure in (mean_ssim, lambda x, y: ssim(x, y).mean()):
        x = images.clone().requires_grad_()
        value = measure(x, truth)
        (2 * value).backward()
        found.append((value.detach(), x.grad))
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)


def test_masks_and_other_precisions_are_left_to_torch():
    images, truth = torch.rand(2, 1, 3, 16, 16, dtype=torch.float64)
    masks = torch.ones(1, 16, 16, dtype=torch.float64)
    masks[:, :8] = 0
    torch.testing.assert_close(mean_ssim(images, truth), ssim(images, truth).mean())
    torch.testing.assert_close(mean_ssim(images, truth, masks), ssim(images, truth, masks).mean())


def test_evened_psnr_sees_no_exposure_but_all_the_rest():
    clean, noisy = noisy_pair()
    dark = 0.5 * clean + 0.1
    assert (psnr(dark, clean) < 20).all()
    assert (evened_psnr(dark, clean) > 60).all()
    assert (evened_psnr(noisy, clean) < 25).all()
    masks = torch.ones(2, 40, 32)
    masks[:, :, ::3] = 0
    spoilt = torch.where(masks[:, None] > 0, dark, torch.rand_like(dark))
    assert (evened_psnr(spoilt, clean, masks) > 60).all()
    assert evened_psnr(torch.full((1, 3, 8, 8), 0.3), torch.full((1, 3, 8, 8), 0.3)).item() == PSNR_CAP
