"""Perceptual distances are there or they are not; nothing takes their place."""

import sys
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from ilrm_cli.render import perceptual
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


class StandIn(nn.Module):
    """A network with the face of the package's, whose distance is that of the pixels."""

    def __init__(self, net: str, lpips: bool, verbose: bool) -> None:
        super().__init__()
        assert (net, lpips, verbose) == ("vgg", False, False)
        torch.load(Path(torch.hub.get_dir(), "checkpoints", VGG_WEIGHTS), weights_only=True)

    def forward(self, images: Tensor, truth: Tensor, normalize: bool) -> Tensor:
        assert normalize
        return (images - truth).square().mean((1, 2, 3), keepdim=True)


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the weights are sought, with a package that is a stand-in."""
    monkeypatch.setattr("ilrm_cli.render.perceptual.find_spec", lambda name: find_spec("torch"))
    monkeypatch.setitem(sys.modules, "lpips", SimpleNamespace(LPIPS=StandIn))
    monkeypatch.setattr("torch.hub.get_dir", lambda: str(tmp_path))
    (tmp_path / "checkpoints").mkdir()
    return tmp_path / "checkpoints" / VGG_WEIGHTS


def test_weights_are_found_or_not(weights):
    assert find_perceptual("cpu") is None
    torch.save({}, weights)
    found = find_perceptual("cpu")
    images = torch.tensor([0.2, 1.7])[:, None, None, None].expand(2, 3, 16, 16)
    assert float(found(images, torch.full_like(images, 0.5))) == pytest.approx((0.09 + 0.25) / 2)  # 1.7 is shown as 1
    weights.write_bytes(b"damaged")
    with pytest.raises(InputError, match="not the weights of VGG-16"):
        find_perceptual("cpu")


def test_a_package_that_cannot_be_imported_is_named(weights, monkeypatch):
    torch.save({}, weights)
    monkeypatch.setitem(sys.modules, "lpips", None)
    with pytest.raises(InputError, match=r"the package lpips cannot be imported \(.+\); install the torchvision"):
        find_perceptual("cpu")


def test_it_is_the_distance_of_the_paper(monkeypatch):
    """Of random features, which need no weights."""
    package = pytest.importorskip("lpips")
    network = package.LPIPS(net="vgg", lpips=False, pnet_rand=True, verbose=False)
    monkeypatch.setattr(perceptual, "lpips_network", lambda lpips: network)
    mean, std = (torch.tensor(rgb)[:, None, None] for rgb in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    images, truth = torch.rand(2, 2, 3, 32, 32)
    pairs = zip(network.net((images - mean) / std), network.net((truth - mean) / std), strict=True)
    apart = [(functional.normalize(a) - functional.normalize(b)).square().sum(1).mean() for a, b in pairs]
    distance = VggDistance()
    torch.testing.assert_close(distance(images, truth), torch.stack(apart).sum())
    distance(images.requires_grad_(), truth).backward()
    assert images.grad.abs().sum() > 0
    assert not any(p.requires_grad for p in distance.parameters())
