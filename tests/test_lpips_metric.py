"""LPIPS is there or it is not; nothing takes its place."""

from importlib.util import find_spec

import pytest

from ilrm_cli.render.perceptual import load_lpips, why_no_lpips


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
