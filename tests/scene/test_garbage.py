"""Numbers that are finite and mean nothing: brought into range with a word where they have a meaning, else left out."""

import dataclasses
from pathlib import Path

import pytest
import torch

from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.scene.convert import convert
from ilrm_cli.scene.files import SUFFIXES, decode_scene, encode_scene
from ilrm_cli.scene.formats.glb import encode_glb
from ilrm_cli.scene.formats.ply import decode_ply, encode_ply
from ilrm_cli.scene.formats.scene_file import SceneFile, usable
from ilrm_cli.scene.formats.splat import encode_splat
from tests.support.splats import splats

HERE = Path("a.glb")


def changed(**change: torch.Tensor) -> Gaussians:
    return dataclasses.replace(splats(4, 1), **change)


def test_opacities_and_confidence_are_shares() -> None:
    given = torch.tensor([-0.5, 0.25, 1.5, 1.0])
    file = usable(HERE, changed(opacities=given), confidence=torch.tensor([2.0, float("nan"), -1, 0.5]))
    assert file.gaussians.opacities.tolist() == [0, 0.25, 1, 1]
    assert file.confidence.tolist() == [1, 0, 0, 0.5]
    assert [remark.split(" has ")[1][:11] for remark in file.remarks] == ["opacities o", "confidences"]
    barely = usable(HERE, changed(opacities=torch.tensor([-1e-5, 0.25, 1 + 1e-5, 1.0])))
    assert not barely.remarks
    assert barely.gaussians.opacities.max() == 1


def test_signs_of_scales_mean_nothing(tmp_path: Path) -> None:
    scene = splats(4, 1)
    scales = scene.scales.clone()
    scales[1, 2] *= -1
    odd = dataclasses.replace(scene, scales=scales)
    for suffix, encode in ((".glb", encode_glb), (".splat", encode_splat)):
        (tmp_path / f"a{suffix}").write_bytes(encode(SceneFile(scene)))
        (tmp_path / f"b{suffix}").write_bytes(encode(SceneFile(odd)) if suffix == ".glb" else negative(tmp_path))
        read = decode_scene(tmp_path / f"b{suffix}")
        assert read.remarks == (f"{tmp_path / f'b{suffix}'} has negative scales, whose signs were dropped.",)
        torch.testing.assert_close(read.gaussians.scales, decode_scene(tmp_path / f"a{suffix}").gaussians.scales)


def negative(folder: Path) -> bytes:
    """Return the .splat of the folder with the first scale negated."""
    content = bytearray((folder / "a.splat").read_bytes())
    content[15] ^= 0x80
    return bytes(content)


@pytest.mark.parametrize(
    ("name", "value"),
    [("means", 1e30), ("means", -1e12), ("scales", 3e38), ("harmonics", 1e30), ("harmonics", -1e9), ("means", 3.3e38)],
)
def test_absurd_gaussians_are_left_out(tmp_path: Path, name: str, value: float) -> None:
    tensor = getattr(splats(4, 1), name).clone()
    tensor[2].view(-1)[1] = value
    assert changed(**{name: tensor}).finite().tolist() == [True, True, False, True]
    file = usable(HERE, changed(**{name: tensor}))
    assert file.dropped == 1
    for suffix in SUFFIXES:
        (tmp_path / f"a{suffix}").write_bytes(encode_scene(file, suffix))
        assert len(decode_scene(tmp_path / f"a{suffix}").gaussians) == 3
    with pytest.raises(InputError, match="none of them with finite and sensible numbers"):
        usable(HERE, changed(**{name: torch.full_like(tensor, value)}))


@pytest.mark.parametrize("suffix", SUFFIXES[1:])
def test_what_is_far_and_large_but_possible_is_exported(tmp_path: Path, suffix: str) -> None:
    """Near the ends of the ranges, in every format that a .ply can be exported to; .spz ends earlier, and says so."""
    scene = splats(30, 3)
    ends = (2e6, 1e3) if suffix == ".spz" else (5e6, 1e6)
    scene = dataclasses.replace(
        scene, means=scene.means * ends[0], scales=scene.scales * ends[1], harmonics=scene.harmonics * 500
    )
    source = tmp_path / "a.ply"
    source.write_bytes(encode_ply(SceneFile(scene)))
    assert decode_ply(source).dropped == 0
    assert not [said for said in convert(source, tmp_path / f"b{suffix}").warnings if "limits" in said]
    read = decode_scene(tmp_path / f"b{suffix}").gaussians
    apart, same = torch.cdist(scene.means.double(), read.means.double()).min(1)
    assert len(set(same.tolist())) == len(read) == 30
    assert apart.max() < 1e-3 * scene.means.abs().max()
    sizes = read.scales[same].sort(1).values / scene.scales.sort(1).values
    assert 0.95 < sizes.min() <= sizes.max() < 1.05


def test_what_spz_cannot_say_is_told_and_at_its_limits(tmp_path: Path) -> None:
    """Positions of 24 bits would begin again at the other end."""
    scene = splats(4, 1)
    means, scales = scene.means.clone(), scene.scales.clone()
    means[1, 0], means[2, 2], scales[3, 1] = 1e7, -3e8, 1e4
    source = tmp_path / "a.ply"
    source.write_bytes(encode_ply(SceneFile(dataclasses.replace(scene, means=means, scales=scales))))
    assert any(
        "3 Gaussians beyond are at these limits" in said for said in convert(source, tmp_path / "b.spz").warnings
    )
    read = decode_scene(tmp_path / "b.spz").gaussians
    assert (read.means[:, 0].max(), read.means[:, 2].min()) == (2**23 - 1, 1 - 2**23)
    assert read.scales.max() == pytest.approx(380, rel=0.01)
