import gzip
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import zstandard

from ilrm_cli.geometry.harmonics import SH_C0
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.scene.formats.scene_file import SceneFile
from ilrm_cli.scene.formats.spz import HEADER, MAGIC, decode_spz, encode_spz
from tests.support.dense_renderer import colors_seen
from tests.support.splats import apart, one, shapes, splats


def written(folder: Path, data: bytes) -> Path:
    file = folder / "a.spz"
    file.write_bytes(data)
    return file


def packed(version: int, count: int, body: bytes, degree: int = 0, fraction: int = 12, flags: int = 0) -> bytes:
    return gzip.compress(HEADER.pack(MAGIC, version, count, degree, fraction, flags, 0) + body)


def test_bytes_of_one_gaussian() -> None:
    """Y and z change their signs: the format is y up, z back. So do the harmonics of y and z, not that of x."""
    harmonics = torch.tensor([[[0.0, 2.0, -9.0], [0.25, 0.25, 0.25], [0.5, 0.5, 0.5], [0.125, 0.125, 0.125]]])
    data = gzip.decompress(encode_spz(SceneFile(one(harmonics=harmonics))))
    assert HEADER.unpack(data[:16]) == (MAGIC, 3, 1, 1, 12, 0, 0)
    position = b"".join((value * 4096).to_bytes(3, "little", signed=True) for value in (1, -2, -3))
    scales = [160, round((10 + np.log(0.5)) * 16), round((10 + np.log(0.25)) * 16)]
    assert data[16:32] == position + bytes([255, 128, 204, 0, *scales])
    assert struct.unpack("<I", data[32:36])[0] >> 30 == 0  # turned about x, the largest component is x
    assert list(data[36:]) == [96] * 3 + [64] * 3 + [144] * 3


@pytest.mark.parametrize(("size", "fraction"), [(0.001, 23), (0.5, 17), (8.0, 13), (100.0, 12), (1e4, 9)])
def test_positions_have_the_steps_that_the_scene_needs(tmp_path: Path, size: float, fraction: int) -> None:
    means = torch.linspace(-size, size, 400)[:, None].expand(-1, 3).contiguous()
    scene = splats(400, 0)
    scene = type(scene)(means, scene.quaternions, scene.scales, scene.opacities, scene.harmonics)
    file = written(tmp_path, encode_spz(SceneFile(scene)))
    assert gzip.decompress(file.read_bytes())[13] == fraction
    torch.testing.assert_close(
        decode_spz(file).gaussians.means[:, 0].sort().values, means[:, 0], rtol=0, atol=size / 4000
    )


def test_version_1_has_half_floats_and_version_2_three_bytes_per_rotation(tmp_path: Path) -> None:
    rest = bytes([255, 128, 128, 128, 160, 160, 160, 217, 128, 128])  # sin(45°) about x, which stays about x
    halves = np.array([1.5, 2, -3], dtype="<f2").tobytes()
    fixed = b"".join((int(value * 4096)).to_bytes(3, "little", signed=True) for value in (1.5, 2, -3))
    expected = shapes(one(quaternions=torch.tensor([[0.7071, 0.7071, 0.0, 0.0]]), scales=torch.ones(1, 3)))
    for version, body in ((1, halves + rest), (2, fixed + rest)):
        read = decode_spz(written(tmp_path, packed(version, 1, body))).gaussians
        assert read.means[0].tolist() == [1.5, -2, 3]
        torch.testing.assert_close(read.scales[0], torch.ones(3))
        torch.testing.assert_close(shapes(read), expected, atol=0.01, rtol=0)
        turn = torch.tensor([0.7071, 0.7071]) @ torch.tensor([[0.0, 1.0], [-1.0, 0.0]])  # times 180° about x
        assert abs(float(read.quaternions[0, :2] @ turn)) == pytest.approx(1, abs=0.01)
        assert (0.5 + SH_C0 * read.harmonics).flatten().tolist() == pytest.approx([0.5] * 3, abs=0.01)


def of_version_4(scene: SceneFile, records: bytes = b"", flags: int = 0) -> bytes:
    """Return the sections of our file as zstd streams behind a table of contents."""
    data, count = gzip.decompress(encode_spz(scene)), len(scene.gaussians)
    _, _, _, degree, fraction, _, _ = HEADER.unpack(data[:16])
    streams, start = [], 16
    for size in (9, 1, 3, 3, 4, 3 * ((degree + 1) ** 2 - 1)):
        streams.append(data[start : start + size * count])
        start += size * count
    small = [zstandard.ZstdCompressor().compress(stream) for stream in streams]
    table = b"".join(struct.pack("<QQ", len(s), len(stream)) for s, stream in zip(small, streams, strict=True))
    header = HEADER.pack(MAGIC, 4, count, degree, fraction, flags | (2 if records else 0), len(streams))
    return header + struct.pack("<I12x", 32 + len(records)) + records + table + b"".join(small)


def record(kind: int, content: bytes) -> bytes:
    return struct.pack("<II", kind, len(content)) + content


def test_version_4(tmp_path: Path) -> None:
    scene = SceneFile(splats(30, 2))
    data = of_version_4(scene)
    read = decode_spz(written(tmp_path, data)).gaussians
    ours = decode_spz(written(tmp_path, encode_spz(scene))).gaussians
    assert max(apart(ours, read).values()) == 0
    for spoilt in (data[:20], data[:100], data[:-1], data[:40] + b"\xff" + data[41:]):
        with pytest.raises(InputError, match="cut short or damaged"):
            decode_spz(written(tmp_path, spoilt))


@pytest.mark.parametrize("antialiased", [False, True])
def test_version_4_is_written_with_its_axes(tmp_path: Path, antialiased: bool) -> None:
    scene = SceneFile(replace(splats(30, 2), antialiased=antialiased))
    data = encode_spz(scene, 4)
    assert data[:4] == b"NGSP"
    assert data[14] == 2 | antialiased
    assert struct.unpack("<III", data[32:44]) == (0xADBE0003, 4, 4)  # SPZ_ADOBE_coordinate_system: RUB
    read = decode_spz(written(tmp_path, data))
    assert (read.gaussians.antialiased, read.remarks) == (antialiased, ())
    assert max(apart(decode_spz(written(tmp_path, encode_spz(scene))).gaussians, read.gaussians).values()) == 0


@pytest.mark.parametrize(
    ("number", "directions"),
    [(0, "RUB"), (1, "LDB"), (2, "RDB"), (3, "LUB"), (4, "RUB"), (5, "LDF"), (6, "RDF"), (7, "LUF"), (8, "RUF")],
)
def test_axes_that_a_record_names(tmp_path: Path, number: int, directions: str) -> None:
    """The same bytes, said to be in other axes: means, shapes and colours from all sides follow."""
    data = of_version_4(SceneFile(splats(30, 3)), record(0xADBE0003, struct.pack("<I", number)))
    read = decode_spz(written(tmp_path, data)).gaussians
    rub = decode_spz(written(tmp_path, of_version_4(SceneFile(splats(30, 3))))).gaussians
    signs = torch.tensor([1.0 if one == other else -1.0 for one, other in zip(directions, "RUB", strict=True)])
    torch.testing.assert_close(read.means, rub.means * signs)
    torch.testing.assert_close(shapes(read), signs.double()[:, None] * shapes(rub) * signs.double(), atol=1e-6, rtol=0)
    ray = torch.nn.functional.normalize(torch.tensor([0.3, -0.5, 0.8]), dim=0)
    torch.testing.assert_close(colors_seen(read.harmonics, ray * signs), colors_seen(rub.harmonics, ray))


def test_unknown_records_are_passed_over_and_named(tmp_path: Path) -> None:
    records = record(0x12340001, bytes(24)) + record(0xADBE0003, struct.pack("<I", 6))
    read = decode_spz(written(tmp_path, of_version_4(SceneFile(splats(30, 1)), records)))
    assert "0x12340001" in read.remarks[0]
    plain = decode_spz(written(tmp_path, of_version_4(SceneFile(splats(30, 1))))).gaussians
    torch.testing.assert_close(read.gaussians.means, plain.means * torch.tensor([1.0, -1, -1]))
    with pytest.raises(InputError, match="axes"):
        decode_spz(written(tmp_path, of_version_4(SceneFile(splats(3, 1)), record(0xADBE0003, struct.pack("<I", 99)))))


def test_degree_4_is_cut_and_said(tmp_path: Path) -> None:
    body = bytes(9) + bytes([255, 128, 128, 128, 160, 160, 160]) + bytes([0, 0, 0, 192]) + bytes([160] * 45 + [7] * 27)
    read = decode_spz(written(tmp_path, packed(3, 1, body, degree=4)))
    assert read.gaussians.sh_degree == 3
    assert set(read.gaussians.harmonics[0, 1:].abs().flatten().tolist()) == {0.25}
    assert "degree 4" in read.remarks[0]


@pytest.mark.parametrize("version", [2, 3])
def test_levels_of_detail_are_read_at_the_finest(tmp_path: Path, version: int) -> None:
    """As Spark's build-lod writes them: half the opacity, and after the harmonics two sections for a tree."""
    scene, quaternions = splats(3, 1), 4 if version == 3 else 3
    ours = gzip.decompress(encode_spz(SceneFile(scene)))
    sections, start = [], 16
    for size in (9, 1, 3, 3, 4, 9):
        sections.append(ours[start : start + 3 * size])
        start += 3 * size
    sections[1] = bytes([140, 50, 127])  # the first stands for both others, as strongly as nothing can be
    sections[4] = bytes([128] * 3 * quaternions)
    tree = struct.pack("<HHH", 2, 0, 0) + struct.pack("<III", 1, 0, 0)
    with_tree = packed(version, 3, b"".join(sections) + tree, degree=1, fraction=ours[13], flags=0x81)
    whole = decode_spz(written(tmp_path, packed(version, 3, b"".join(sections), degree=1, fraction=ours[13])))
    read = decode_spz(written(tmp_path, with_tree))
    assert read.gaussians.antialiased
    assert read.gaussians.opacities.tolist() == pytest.approx([100 / 255, 254 / 255])
    assert torch.equal(read.gaussians.means, whole.gaussians.means[1:])
    assert read.remarks == (
        f"{tmp_path / 'a.spz'} holds levels of detail (Spark): the finest was read, 2 of 3 Gaussians.",
    )
    with pytest.raises(InputError, match="bytes are there"):
        decode_spz(written(tmp_path, packed(version, 3, b"".join(sections) + tree[:-1], 1, ours[13], 0x80)))
    circle = packed(version, 3, b"".join(sections) + struct.pack("<HHH", 1, 1, 1) + bytes(12), 1, ours[13], 0x80)
    with pytest.raises(InputError, match="have children"):
        decode_spz(written(tmp_path, circle))


def test_unknown_flags_are_named(tmp_path: Path) -> None:
    """Also the flag of records below version 4, which lie behind what we read."""
    data = bytearray(gzip.decompress(encode_spz(SceneFile(splats(3, 0)))))
    data[14] = 0x46
    (said,) = decode_spz(written(tmp_path, gzip.compress(bytes(data) + bytes(12)))).remarks
    assert "(0x46)" in said
    (said,) = decode_spz(written(tmp_path, of_version_4(SceneFile(splats(3, 1)), flags=0x80))).remarks
    assert "(0x80)" in said


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (gzip.compress(b"NGSP"), "ends within its header"),
        (gzip.compress(bytes(100)), "its header is another"),
        (packed(7, 1, bytes(20)), "of version 7"),
        (packed(3, 1, bytes(20), degree=5), "harmonics of degree 5"),
        (packed(3, 2, bytes(20)), "20 of 40 bytes are there"),
        (packed(3, 2**32 - 1, bytes(20)), "4294967295 Gaussians"),
        (packed(3, 40_000_000, bytes(20)), "cannot hold 40000000 Gaussians"),  # and no memory is taken for them
        (packed(3, 0, b""), "holds no Gaussians"),
        (b"not gzip at all", "is not a .spz scene"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",  # gzip writes the time of day into its bytes
)
def test_files_that_are_no_scene(tmp_path: Path, data: bytes, why: str) -> None:
    with pytest.raises(InputError, match=why):
        decode_spz(written(tmp_path, data))
