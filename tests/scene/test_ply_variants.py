"""Numbers of .ply files that are no logits, logarithms or harmonics, and scenes that are no still ones."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from plyfile import PlyData, PlyElement
from torch import Tensor

from ilrm_cli.geometry.harmonics import to_color
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.scene.formats.ply import RGB, decode_ply, encode_ply
from ilrm_cli.scene.formats.scene_file import SceneFile
from tests.scene.test_ply_of_others import COLUMNS, in_ply
from tests.support.splats import splats


def many(path: Path, opacities: Tensor, **columns: Tensor) -> Path:
    """Write a thousand Gaussians or more with these opacities as they are, and other columns."""
    values = COLUMNS | {"opacity": opacities.numpy()} | {name: column.numpy() for name, column in columns.items()}
    rows = np.zeros(len(opacities), dtype=[(name, "<f4") for name in values])
    for name, value in values.items():
        rows[name] = value
    PlyData([PlyElement.describe(rows, "vertex")], byte_order="<").write(str(path))
    return path


def test_opacities_of_feed_forward_models(tmp_path: Path) -> None:
    """PixelSplat and its followers export them as they are, and logarithms of scales."""
    given = torch.rand(1000, generator=torch.Generator().manual_seed(0))
    file = decode_ply(many(tmp_path / "a.ply", given))
    assert torch.equal(file.gaussians.opacities, given)
    torch.testing.assert_close(file.gaussians.scales[7], torch.tensor([0.5, 0.25, 0.1]))
    assert file.remarks[0].endswith("has opacities from 0 to 1 where the format has logits, and they were taken so.")


def test_scales_that_are_no_logarithms_either(tmp_path: Path) -> None:
    given = torch.linspace(0, 1, 1000)
    scales = {f"scale_{axis}": given * 0.02 + 0.001 for axis in range(3)}
    file = decode_ply(many(tmp_path / "a.ply", given, **scales))
    torch.testing.assert_close(file.gaussians.scales, scales["scale_0"][:, None].expand(-1, 3))
    assert "opacities and sizes" in file.remarks[0]


@pytest.mark.parametrize(
    ("low", "high", "count", "doubted"),
    [
        (-0.01, 1.0, 1000, True),
        (-0.99, 1.02, 1000, True),  # of Taming 3DGS, whose opacities are what remains without the sign
        (0.0, 1.01, 1000, True),
        (-2.01, 1.0, 1000, False),
        (0.0, 2.01, 1000, False),
        (-8.0, 6.0, 1000, False),
        (0.0, 1.0, 999, False),  # too few to tell
        (0.4, 0.4, 1000, False),
        (0.2, 0.95, 1000, True),
        (0.0, 0.7, 1000, True),
    ],
)
def test_logits_are_taken_for_what_they_are(tmp_path: Path, low: float, high: float, count: int, doubted: bool) -> None:
    given = torch.linspace(low, high, count)
    file = decode_ply(many(tmp_path / "a.ply", given))
    torch.testing.assert_close(file.gaussians.opacities, given.sigmoid())
    assert bool(file.remarks) == doubted


def test_ours_are_read_without_a_word(tmp_path: Path) -> None:
    (tmp_path / "a.ply").write_bytes(encode_ply(SceneFile(splats(2000, 1), confidence=torch.rand(2000))))
    assert not decode_ply(tmp_path / "a.ply").remarks


def of_kinds(path: Path, columns: dict[str, float], kinds: dict[str, str]) -> Path:
    rows = np.array([tuple(columns.values())], dtype=[(name, kinds.get(name, "<f4")) for name in columns])
    PlyData([PlyElement.describe(rows, "vertex")], byte_order="<").write(str(path))
    return path


@pytest.mark.parametrize(("kind", "full"), [("u1", 255), ("<u2", 65535)])
def test_opacities_in_whole_numbers(tmp_path: Path, kind: str, full: int) -> None:
    path = of_kinds(tmp_path / "a.ply", COLUMNS | {"opacity": full // 5}, {"opacity": kind})
    file = decode_ply(path)
    assert float(file.gaussians.opacities) == pytest.approx(0.2)
    assert f"shares of {full}" in file.remarks[0]


@pytest.mark.parametrize(
    ("name", "kind", "why"),
    [
        ("opacity", "<i4", "numbers of type int32"),
        ("f_dc_1", "u1", "packs f_dc_1 into whole numbers"),
        ("scale_0", "<i2", "packs scale_0"),
        ("rot_3", "u1", "packs rot_3"),
    ],
)
def test_numbers_packed_in_other_ways_are_refused(tmp_path: Path, name: str, kind: str, why: str) -> None:
    with pytest.raises(InputError, match=why):
        decode_ply(of_kinds(tmp_path / "a.ply", COLUMNS, {name: kind}))


def test_plain_colours_from_0_to_255_in_floating_point(tmp_path: Path) -> None:
    columns = {name: value for name, value in COLUMNS.items() if not name.startswith("f_")}
    read = decode_ply(in_ply(tmp_path / "a.ply", columns | dict(zip(RGB, (255.0, 51.0, 0.0), strict=True)))).gaussians
    torch.testing.assert_close(to_color(read.harmonics), torch.tensor([[1.0, 0.2, 0.0]]))


@pytest.mark.parametrize("name", ["trbf_center", "motion_0"])
def test_scenes_that_change_over_time_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=rf"changes over time \({name}\)"):
        decode_ply(in_ply(tmp_path / "a.ply", COLUMNS | {name: 0.5}))


def test_anchors_are_named(tmp_path: Path) -> None:
    columns = {name: value for name, value in COLUMNS.items() if not name.startswith("f_")}
    with pytest.raises(InputError, match="anchors of Scaffold-GS"):
        decode_ply(in_ply(tmp_path / "a.ply", columns | {"f_offset_0": 0.0, "f_anchor_feat_0": 0.0}))


def test_unknown_properties_are_named(tmp_path: Path) -> None:
    known = {"nx": 0.0, "ny": 0.0, "nz": 1.0, "f_rest_0": 0.0, "red": 1.0, "green": 1.0, "blue": 1.0, "alpha": 1.0}
    known |= {f"f_rest_{i}": 0.0 for i in range(9)}
    assert not decode_ply(in_ply(tmp_path / "a.ply", COLUMNS | known)).remarks
    (said,) = decode_ply(in_ply(tmp_path / "b.ply", COLUMNS | dict.fromkeys("abcde", 0.0))).remarks
    assert (
        said
        == f"{tmp_path / 'b.ply'} has properties that ilrm does not know (a, b, c and 2 more), which are passed over."
    )


@pytest.mark.parametrize(("space", "red"), [(0, 0.5), (1, 0.7354)])
def test_the_colour_space_of_sharp(tmp_path: Path, space: int, red: float) -> None:
    rows = np.array([tuple((COLUMNS | {"f_dc_0": 0.0}).values())], dtype=[(name, "<f4") for name in COLUMNS])
    told = np.array([(space,)], dtype=[("color_space", "u1")])
    elements = [PlyElement.describe(rows, "vertex"), PlyElement.describe(told, "color_space")]
    PlyData(elements, byte_order="<").write(str(tmp_path / "a.ply"))
    file = decode_ply(tmp_path / "a.ply")
    assert float(to_color(file.gaussians.harmonics)[0, 0]) == pytest.approx(red, abs=1e-4)
    assert bool(file.remarks) == (space == 1)
    assert math.isfinite(float(file.gaussians.harmonics.sum()))
