import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.scene.files import decode_scene
from ilrm_cli.scene.formats.scene_file import SceneFile
from ilrm_cli.scene.formats.sog import decode_sog, encode_sog
from ilrm_cli.scene.opened import read_shown_scene
from tests.support.splats import one, splats


def contents(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zipped(files: dict[str, bytes], path: Path) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def pixels(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGBA"))


def test_pictures_of_two_gaussians() -> None:
    bright = one(means=torch.tensor([[-1.0, 5.0, 3.0]]), quaternions=torch.tensor([[0.0, 0.0, -1.0, 0.0]]))
    files = contents(encode_sog(SceneFile(Gaussians.concatenated(bright, one(opacities=torch.tensor([0.2]))))))
    meta = json.loads(files["meta.json"])
    assert (meta["version"], meta["count"], "shN" in meta) == (2, 2, False)
    np.testing.assert_allclose(meta["means"]["mins"], [-np.log(2), np.log(3), np.log(4)], rtol=1e-6)
    np.testing.assert_allclose(meta["means"]["maxs"], [np.log(2), np.log(6), np.log(4)], rtol=1e-6)
    low, high = pixels(files["means_l.webp"]), pixels(files["means_u.webp"])
    assert low.shape == high.shape == (4, 4, 4)
    order = [0, 1] if high[0, 0, 0] == 0 else [1, 0]  # along the curve
    assert [high[0, i, :3].tolist() for i in order] == [[0, 255, 0], [255, 0, 0]]
    assert [pixels(files["quats.webp"])[0, i].tolist() for i in order] == [[128, 128, 128, 254], [128, 128, 128, 252]]
    assert [pixels(files["sh0.webp"])[0, i, 3] for i in order] == [255, 51]
    scale = meta["scales"]["codebook"][pixels(files["scales.webp"])[0, 0, 1]]
    assert scale == pytest.approx(np.log(0.5), abs=1e-6)


def test_colours_stay_where_nothing_is_seen(tmp_path: Path) -> None:
    """Lossless WebP may change colours under alpha 0 unless it is told not to."""
    harmonics = torch.linspace(-1, 1, 60).reshape(20, 1, 3)
    scene = splats(20, 0)
    file = tmp_path / "a.sog"
    file.write_bytes(
        encode_sog(SceneFile(Gaussians(scene.means, scene.quaternions, scene.scales, torch.zeros(20), harmonics)))
    )
    read = decode_sog(file).gaussians
    assert read.opacities.max() == 0
    near = torch.cdist(scene.means, read.means).argmin(1)
    torch.testing.assert_close(read.harmonics[near], harmonics, rtol=0, atol=1e-5)


def test_many_harmonics_share_a_palette(tmp_path: Path) -> None:
    scene, file = splats(3000, 3), tmp_path / "a.sog"
    file.write_bytes(encode_sog(SceneFile(scene)))
    files = contents(file.read_bytes())
    meta = json.loads(files["meta.json"])
    assert meta["shN"]["bands"] == 3
    assert 500 < meta["shN"]["count"] <= 1024
    assert pixels(files["shN_centroids.webp"]).shape == (-(-meta["shN"]["count"] // 64), 64 * 15, 4)
    read = decode_sog(file).gaussians
    near = torch.cdist(scene.means, read.means).argmin(1)
    error = (read.harmonics[near, 1:] - scene.harmonics[:, 1:]).square().mean()
    assert error < 0.8 * scene.harmonics[:, 1:].square().mean()  # noise in 45 dimensions is the hardest there is


def test_a_scene_that_is_not_bundled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As its folder and as its meta.json, also from within."""
    scene = replace(splats(50, 1), antialiased=True)
    bundled = tmp_path / "a.sog"
    bundled.write_bytes(encode_sog(SceneFile(scene)))
    folder = tmp_path / "scene"
    folder.mkdir()
    for name, content in contents(bundled.read_bytes()).items():
        (folder / name).write_bytes(content)
    expected = decode_scene(bundled).gaussians
    monkeypatch.chdir(folder)
    for path in (folder, folder / "meta.json", Path("meta.json"), Path()):
        read = read_shown_scene(path).file.gaussians
        assert read.antialiased
        assert all(map(torch.equal, read.tensors(), expected.tensors()))
    meta = json.loads((folder / "meta.json").read_text())
    meta["quats"]["files"] = ["../a.sog"]
    (folder / "meta.json").write_text(json.dumps(meta))
    with pytest.raises(InputError, match="does not lie beside"):
        decode_scene(folder)


def picture_of(rows: list[list[int]], width: int = 1) -> bytes:
    stored = io.BytesIO()
    pixels = np.array(rows, dtype=np.uint8).reshape(-1, width, 4)
    Image.fromarray(pixels).save(stored, "WEBP", lossless=True, exact=True)
    return stored.getvalue()


def test_version_1_has_ranges_instead_of_codebooks(tmp_path: Path) -> None:
    """One Gaussian at (e - 1, 0, 0), of scales 1, e, 1, with a logit of 2 and harmonics of degree 1."""
    meta = {
        "means": {"shape": [1, 3], "mins": [0, 0, 0], "maxs": [1, 1, 1], "files": ["means_l.webp", "means_u.webp"]},
        "scales": {"shape": [1, 3], "mins": [-1, 0, 0], "maxs": [0, 1, 1], "files": ["scales.webp"]},
        "quats": {"shape": [1, 4], "encoding": "quaternion_packed", "files": ["quats.webp"]},
        "sh0": {"shape": [1, 1, 4], "mins": [-1, -1, -1, -2], "maxs": [1, 1, 1, 2], "files": ["sh0.webp"]},
        "shN": {"shape": [1, 3], "mins": -1, "maxs": 1, "files": ["shN_centroids.webp", "shN_labels.webp"]},
    }
    pictures = {
        "means_l.webp": picture_of([[255, 0, 0, 255]]),
        "means_u.webp": picture_of([[255, 0, 0, 255]]),
        "scales.webp": picture_of([[255, 255, 0, 255]]),
        "quats.webp": picture_of([[128, 128, 128, 252]]),
        "sh0.webp": picture_of([[255, 0, 255, 255]]),
        "shN_centroids.webp": picture_of([[255, 0, 51, 255]] * 192, width=192),
        "shN_labels.webp": picture_of([[0, 0, 0, 255]]),
    }
    for name, content in {**pictures, "meta.json": json.dumps(meta).encode()}.items():
        (tmp_path / name).write_bytes(content)
    read = decode_sog(tmp_path).gaussians
    torch.testing.assert_close(read.means[0], torch.tensor([np.e - 1, 0, 0], dtype=torch.float32))
    torch.testing.assert_close(read.scales[0], torch.tensor([1.0, np.e, 1.0], dtype=torch.float32))
    assert float(read.opacities[0]) == pytest.approx(1 / (1 + np.exp(-2)))
    assert read.harmonics[0, 0].tolist() == [1, -1, 1]
    torch.testing.assert_close(read.harmonics[0, 1:], torch.tensor([[1.0, -1.0, -0.6]] * 3))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"version": 3}, "of version 3"),
        ({"version": None}, "of version None"),
        ({"count": 17}, "smaller than 17 pixels"),
        ({"count": 10**12}, "1000000000000 Gaussians"),
        ({"count": float("inf")}, "does not hold together"),
        ({"means": {}}, "does not hold together"),
        ({"scales": {"codebook": [1.0], "files": ["scales.webp"]}}, "does not hold together"),
        ({"quats": {"files": ["none.webp"]}}, "none.webp"),
        ({"means": {"mins": [[[0]]] * 50, "maxs": 1, "files": ["means_l.webp", "means_u.webp"]}}, "50 and 1 numbers"),
    ],
)
def test_descriptions_that_do_not_fit(tmp_path: Path, change: dict[str, Any], why: str) -> None:
    files = contents(encode_sog(SceneFile(splats(10, 0))))
    files["meta.json"] = json.dumps({**json.loads(files["meta.json"]), **change}).encode()
    with pytest.raises(InputError, match=why):
        decode_sog(zipped(files, tmp_path / "a.sog"))


def test_pictures_that_would_fill_the_memory_are_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files, huge = contents(encode_sog(SceneFile(splats(10, 1)))), io.BytesIO()
    Image.new("L", (1200, 1200)).save(huge, "WEBP", lossless=True)
    with pytest.raises(InputError, match="no picture of the right size"):
        decode_sog(zipped({**files, "shN_centroids.webp": huge.getvalue()}, tmp_path / "a.sog"))
    with pytest.raises(InputError, match=r"is not a \.sog scene"):
        decode_sog(zipped({**files, "quats.webp": b"RIFF"}, tmp_path / "a.sog"))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 4)
    with pytest.raises(InputError, match="picture in it is broken"):
        decode_sog(zipped(files, tmp_path / "a.sog"))


@pytest.mark.parametrize("packing", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_parts_that_cannot_be_unpacked(tmp_path: Path, packing: int) -> None:
    path, written = tmp_path / "a.sog", io.BytesIO()
    with zipfile.ZipFile(written, "w", packing) as archive:
        archive.writestr("meta.json", b"{}" * 1000)
    data = bytearray(written.getvalue())
    for at in range(len("meta.json") + 30 + 4, len("meta.json") + 30 + 16):  # in the packed bytes behind its header
        path.write_bytes(data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :])
        with pytest.raises(InputError, match=r"is not a \.sog scene"):
            decode_sog(path)
