import math
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from plyfile import PlyData, PlyElement

from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.scene.formats.ply import decode_ply, encode_ply
from ilrm_cli.scene.formats.scene_file import SceneFile

HEADER = """ply
format binary_little_endian 1.0
comment made by hand
element vertex 1
property float x
property float y
property float z
property float nx
property float ny
property float nz
property float f_dc_0
property float f_dc_1
property float f_dc_2
property float opacity
property float scale_0
property float scale_1
property float scale_2
property float rot_0
property float rot_1
property float rot_2
property float rot_3
end_header
"""


def random_scene(count: int, degree: int, seed: int = 0) -> Gaussians:
    draw = torch.Generator().manual_seed(seed)
    return Gaussians(
        means=torch.randn(count, 3, generator=draw),
        quaternions=torch.nn.functional.normalize(torch.randn(count, 4, generator=draw), dim=1),
        scales=torch.rand(count, 3, generator=draw) * 0.1 + 1e-4,
        opacities=torch.rand(count, generator=draw),
        harmonics=torch.randn(count, (degree + 1) ** 2, 3, generator=draw),
    )


def one(**changes: torch.Tensor) -> Gaussians:
    parts = {
        "means": torch.tensor([[1.0, 2.0, 3.0]]),
        "quaternions": torch.tensor([[0.5, -0.5, 0.5, 0.5]]),
        "scales": torch.tensor([[1.0, 4.0, 0.25]]),
        "opacities": torch.tensor([0.5]),
        "harmonics": torch.tensor([[[0.1, 0.2, 0.3]]]),
    }
    return Gaussians(**{**parts, **changes})


def test_bytes_of_one_gaussian() -> None:
    numbers = [1, 2, 3, 0, 0, 0, 0.1, 0.2, 0.3, 0, 0, math.log(4), math.log(0.25), 0.5, -0.5, 0.5, 0.5]
    assert encode_ply(SceneFile(one(), ("made by hand",))) == HEADER.encode() + struct.pack("<17f", *numbers)


def test_the_rest_of_the_harmonics_is_written_channel_by_channel(tmp_path: Path) -> None:
    harmonics = torch.tensor([[[0.0, 0, 0], [1, 2, 3], [4, 5, 6], [7, 8, 9]]])  # [basis, channel]
    file = tmp_path / "a.ply"
    file.write_bytes(encode_ply(SceneFile(one(harmonics=harmonics))))
    row = PlyData.read(file)["vertex"].data[0]
    assert [row[f"f_rest_{i}"] for i in range(9)] == [1, 4, 7, 2, 5, 8, 3, 6, 9]


def test_opacities_of_exactly_0_and_1_survive(tmp_path: Path) -> None:
    scene = random_scene(2, 0)
    file = tmp_path / "a.ply"
    file.write_bytes(encode_ply(SceneFile(Gaussians(**{**vars(scene), "opacities": torch.tensor([0.0, 1.0])}))))
    read = decode_ply(file)
    assert read.dropped == 0
    assert read.gaussians.opacities[1] == 1
    assert 0 <= read.gaussians.opacities[0] < 1e-8


@pytest.mark.parametrize("degree", [0, 1, 2, 3])
def test_round_trip(tmp_path: Path, degree: int) -> None:
    scene = random_scene(200, degree)
    file = tmp_path / "a.ply"
    file.write_bytes(encode_ply(SceneFile(scene, ("one", "two\nlines", "Zürich"))))
    read = decode_ply(file)
    assert read.gaussians.sh_degree == degree
    assert read.comments == ("one", "two lines", "Z\\xfcrich")
    torch.testing.assert_close(read.gaussians.means, scene.means, rtol=0, atol=0)
    torch.testing.assert_close(read.gaussians.harmonics, scene.harmonics, rtol=0, atol=0)
    for name in ("quaternions", "scales", "opacities"):
        torch.testing.assert_close(getattr(read.gaussians, name), getattr(scene, name), rtol=2e-6, atol=1e-7)


def test_confidence_is_a_property_of_its_own(tmp_path: Path) -> None:
    file, scene = tmp_path / "a.ply", random_scene(3, 1)
    confidence = torch.tensor([0.0, 0.25, 1.0])
    file.write_bytes(encode_ply(SceneFile(scene, confidence=confidence)))
    read = decode_ply(file)
    assert read.confidence is not None
    torch.testing.assert_close(read.confidence, confidence, rtol=0, atol=0)
    torch.testing.assert_close(read.gaussians.means, scene.means, rtol=0, atol=0)
    assert decode_ply(file)[torch.tensor([False, True, True])].confidence.tolist() == [0.25, 1.0]
    file.write_bytes(encode_ply(SceneFile(scene)))
    assert decode_ply(file).confidence is None


def test_writing_refuses_numbers_that_are_not_finite() -> None:
    with pytest.raises(AssertionError, match="1 Gaussians"):
        encode_ply(SceneFile(one(means=torch.tensor([[1.0, math.nan, 3.0]]))))


def test_reading_drops_and_counts_them(tmp_path: Path) -> None:
    rows = PlyData.read(_write(tmp_path, random_scene(5, 0)))["vertex"].data.copy()
    rows["x"][1] = math.nan
    rows["scale_0"][2] = 1000  # its exponential is infinite
    for name in ("rot_0", "rot_1", "rot_2", "rot_3"):
        rows[name][3] = 0
    file = tmp_path / "b.ply"
    PlyData([PlyElement.describe(rows, "vertex")]).write(str(file))
    read = decode_ply(file)
    assert read.dropped == 3
    torch.testing.assert_close(read.gaussians.means, random_scene(5, 0).means[[0, 4]])
    rows["opacity"] = math.nan
    PlyData([PlyElement.describe(rows, "vertex")]).write(str(file))
    with pytest.raises(InputError, match="5 Gaussians, none of them with finite and sensible numbers"):
        decode_ply(file)


@pytest.mark.parametrize(("text", "order"), [(True, "="), (False, ">"), (False, "<")])
def test_files_of_other_writers(tmp_path: Path, text: bool, order: str) -> None:
    """Files by plyfile: ascii or either byte order, shuffled properties, doubles, no normals, raw quaternions."""
    scene = random_scene(3, 1)
    rest = scene.harmonics[:, 1:].transpose(1, 2).reshape(3, 9).numpy()
    columns = {f"rot_{i}": 3 * scene.quaternions[:, i].numpy() for i in range(4)}
    columns |= {f"f_rest_{i}": rest[:, i] for i in range(9)}
    columns |= {f"scale_{i}": scene.scales[:, i].log().numpy() for i in range(3)}
    columns |= {"opacity": scene.opacities.logit().numpy(), "label": np.zeros(3)}
    columns |= {f"f_dc_{i}": scene.harmonics[:, 0, i].numpy() for i in range(3)}
    columns |= {name: scene.means[:, i].double().numpy() for i, name in enumerate("xyz")}
    rows = np.zeros(3, dtype=[(name, column.dtype.str) for name, column in columns.items()])
    for name, column in columns.items():
        rows[name] = column
    file = tmp_path / "a.ply"
    PlyData([PlyElement.describe(rows, "vertex")], text=text, byte_order=order).write(str(file))
    read = decode_ply(file).gaussians
    for found, expected in zip(read.tensors(), scene.tensors(), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


def test_a_file_cut_short_at_any_place_is_refused(tmp_path: Path) -> None:
    whole = encode_ply(SceneFile(one()))
    for length in (0, 3, 40, len(whole) - 68, len(whole) - 1):
        file = tmp_path / "a.ply"
        file.write_bytes(whole[:length])
        with pytest.raises(InputError, match=r"a\.ply is not a \.ply scene, or is cut short"):
            decode_ply(file)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xff\xd8\xff\xe0 a photo", r"a\.ply is not a \.ply scene"),
        (b"ply\nformat ascii 1.0\nelement vertex 1\nproperty float x\nproperty float y\nproperty float z\n"
         b"end_header\n1 2 3\n", "has no property f_dc_0: it is not a Gaussian splat"),
        (b"ply\nformat ascii 1.0\nelement face 0\nproperty float x\nend_header\n", "has no vertices"),
        (b"ply\nformat ascii 1.0\nelement chunk 0\nproperty float min_x\nelement vertex 0\nproperty uint packed_scale\n"
         b"end_header\n", "not a Gaussian splat"),
        (HEADER.replace("property float nx", "property float f_rest_0").encode() + bytes(68), "has 1 f_rest_ prop"),
        (HEADER.replace("vertex 1", "vertex 0").encode(), "holds no Gaussians"),
    ],
)  # fmt: skip
def test_files_that_are_no_scene(tmp_path: Path, content: bytes, message: str) -> None:
    file = tmp_path / "a.ply"
    file.write_bytes(content)
    with pytest.raises(InputError, match=message):
        decode_ply(file)


def _write(folder: Path, scene: Gaussians) -> str:
    file = folder / "a.ply"
    file.write_bytes(encode_ply(SceneFile(scene)))
    return str(file)
