import io
from pathlib import Path

import numpy as np
import pytest
import torch
from plyfile import PlyData, PlyElement

from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.geometry.harmonics import SH_C0
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.scene.formats.compressed_ply import decode_compressed_ply, encode_compressed_ply
from ilrm_cli.scene.formats.scene_file import SceneFile
from tests.support.splats import one, splats


def parts(file: SceneFile) -> PlyData:
    return PlyData.read(io.BytesIO(encode_compressed_ply(file)))


def test_words_of_two_gaussians() -> None:
    """The corners of the range: all bits of a field are 0 or 1; an identity rotation is three halves."""
    bright = one(means=torch.tensor([[3.0, 4.0, 5.0]]), harmonics=torch.full((1, 1, 3), 0.5 / SH_C0))
    ply = parts(SceneFile(Gaussians.concatenated(one(opacities=torch.tensor([0.0])), bright)))
    chunk, first, second = ply["chunk"].data[0], *ply["vertex"].data
    assert [chunk[name] for name in ("min_x", "min_y", "min_z", "max_x", "max_y", "max_z")] == [1, 2, 3, 3, 4, 5]
    assert chunk["max_scale_y"] == pytest.approx(np.log(0.5))
    assert (chunk["min_r"], chunk["max_b"]) == pytest.approx((0.5, 1))
    assert (first["packed_position"], second["packed_position"]) == (0, 2**32 - 1)
    assert (first["packed_color"], second["packed_color"]) == (0, 2**32 - 1)
    assert first["packed_rotation"] == (512 << 20) | (512 << 10) | 512  # the largest is w, number 0
    assert first["packed_scale"] == 0  # no range: the least of it


def test_each_256_have_a_range_of_their_own(tmp_path: Path) -> None:
    scene = splats(600, 0)
    ply = parts(SceneFile(scene))
    assert (ply["chunk"].count, ply["vertex"].count) == (3, 600)
    widths = ply["chunk"]["max_x"] - ply["chunk"]["min_x"]
    assert widths.min() < float(scene.means[:, 0].max() - scene.means[:, 0].min())


def test_harmonics_are_bytes_channel_by_channel() -> None:
    harmonics = torch.tensor([[[0.0, 0, 0], [-5, 0, 5], [-4, 0.02, 3.99], [1, 2, 3]]])
    row = parts(SceneFile(one(harmonics=harmonics)))["sh"].data[0]
    assert [row[f"f_rest_{i}"] for i in range(9)] == [0, 0, 160, 128, 128, 192, 255, 255, 224]


def test_files_without_ranges_of_colours(tmp_path: Path) -> None:
    ply = parts(SceneFile(one(harmonics=torch.full((1, 1, 3), -0.5 / SH_C0))))
    names = [name for name in ply["chunk"].data.dtype.names if name[-2:] not in ("_r", "_g", "_b")]
    chunk = PlyElement.describe(np.array(ply["chunk"].data[names].tolist(), [(name, "f4") for name in names]), "chunk")
    vertex = ply["vertex"].data.copy()
    vertex["packed_color"] = 0x336699FF
    file = tmp_path / "old.compressed.ply"
    PlyData([chunk, PlyElement.describe(vertex, "vertex")], byte_order="<").write(str(file))
    read = decode_compressed_ply(file).gaussians
    torch.testing.assert_close(0.5 + SH_C0 * read.harmonics[0, 0], torch.tensor([0.2, 0.4, 0.6]))
    assert read.opacities.tolist() == [1.0]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"chunk": 1}, "1 chunks for 300 Gaussians"),
        ({"sh": 299}, "harmonics are not those"),
        ({"vertex": 0}, "2 chunks for 0 Gaussians"),
    ],
)
def test_files_that_do_not_hold_together(tmp_path: Path, change: dict[str, int], why: str) -> None:
    ply = parts(SceneFile(splats(300, 1)))
    elements = [PlyElement.describe(e.data[: change.get(e.name, e.count)], e.name) for e in ply.elements]
    file = tmp_path / "a.compressed.ply"
    PlyData(elements, byte_order="<").write(str(file))
    with pytest.raises(InputError, match=why):
        decode_compressed_ply(file)
