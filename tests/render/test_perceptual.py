"""Perceptual distances are there or they are not; nothing takes their place."""

from importlib.util import find_spec

import pytest
import torch

from ilrm_cli.render.perceptual import VGG_WEIGHTS, VggDistance, find_perceptual, load_lpips, why_no_lpips
from ilrm_cli.runtime.errors import InputError


def test_what_is_missing_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr("ilrm_cli.render.perceptual.find_spec", lambda name: None)
    assert why_no_lpips() == "the package lpips is not installed: pip install 'ilrm[lpips]'"
    with pytest.raises(AssertionError):
        load_lpips("cpu")
    monkeypatch.setattr("ilrm_cli.render.perceptual.find_spec", lambda name: find_spec("torch"))
    monkeypatch.setattr("torch.hub.get_dir", lambda: str(tmp_path))
    assert "vgg16-397923af.pth are not in" in (why_no_lpips() or "")
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "vgg16-397923af.pth").touch()
    assert why_no_lpips() is None


@pytest.fixture(scope="module")
def distance() -> VggDistance:
    torch.manual_seed(0)
    return VggDistance()


def test_it_has_the_layers_of_vgg_16(distance):
    convolutions = [name for name, p in distance.named_parameters() if p.ndim == 4]
    numbers = [0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28]  # torchvision's
    assert convolutions == [f"features.{number}.weight" for number in numbers]
    assert distance.ends == [3, 8, 15, 22, 29]
    assert sum(p.numel() for p in distance.parameters()) == 14_714_688


def test_only_equal_images_have_no_distance(distance):
    images = torch.rand(2, 3, 32, 32)
    assert float(distance(images, images)) < 1e-6
    near, far = (float(distance(images + amount * torch.rand_like(images), images)) for amount in (0.02, 0.3))
    assert 0 < near < far


def test_its_gradient_reaches_the_images(distance):
    images = torch.rand(1, 3, 32, 32, requires_grad=True)
    distance(images, torch.rand(1, 3, 32, 32)).backward()
    assert images.grad.abs().sum() > 0
    assert all(p.grad is None for p in distance.parameters())


def test_weights_are_found_or_not(distance, tmp_path):
    assert find_perceptual("cpu", tmp_path) is None
    torch.save(distance.state_dict() | {"classifier.0.weight": torch.zeros(2)}, tmp_path / VGG_WEIGHTS)
    found = find_perceptual("cpu", tmp_path)
    images, truth = torch.rand(2, 1, 3, 32, 32)
    torch.testing.assert_close(found(images, truth), distance(images, truth))
    (tmp_path / VGG_WEIGHTS).write_bytes(b"damaged")
    with pytest.raises(InputError, match="not the weights of VGG-16"):
        find_perceptual("cpu", tmp_path)
