"""Files in the .ply layout as other tools write them."""

import io
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from plyfile import PlyData, PlyElement

from ilrm_cli.geometry.harmonics import to_color
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.scene.files import decode_scene
from ilrm_cli.scene.formats.ply import RGB, decode_ply, encode_ply
from ilrm_cli.scene.formats.scene_file import SceneFile
from tests.support.splats import one


def in_ply(path: Path, columns: dict[str, float], comments: tuple[str, ...] = ()) -> Path:
    """Write one Gaussian with these properties."""
    rows = np.array([tuple(columns.values())], dtype=[(name, "<f4") for name in columns])
    PlyData([PlyElement.describe(rows, "vertex")], byte_order="<", comments=list(comments)).write(str(path))
    return path


COLUMNS = {
    **dict(zip(("x", "y", "z"), (1.0, 2.0, 3.0), strict=True)),
    **dict(zip(("f_dc_0", "f_dc_1", "f_dc_2"), (0.5, 0.25, 0.125), strict=True)),
    "opacity": 0.0, "scale_0": math.log(0.5), "scale_1": math.log(0.25), "scale_2": math.log(0.1),
    "rot_0": 1.0, "rot_1": 0.0, "rot_2": 0.0, "rot_3": 0.0,
}  # fmt: skip


def test_flat_gaussians_of_2dgs(tmp_path: Path) -> None:
    flat = {name: value for name, value in COLUMNS.items() if name != "scale_2"}
    read = decode_ply(in_ply(tmp_path / "a.ply", flat)).gaussians
    torch.testing.assert_close(read.scales, torch.tensor([[0.5, 0.25, 0.25e-3]]))
    with pytest.raises(InputError, match="no property scale_1"):
        decode_ply(in_ply(tmp_path / "b.ply", {name: value for name, value in flat.items() if name != "scale_1"}))


def test_the_3d_filter_of_mip_splatting_is_applied(tmp_path: Path) -> None:
    """As its own `get_scaling_with_3D_filter` and `get_opacity_with_3D_filter`; such scenes are antialiased."""
    file = decode_ply(in_ply(tmp_path / "a.ply", COLUMNS | {"filter_3D": 0.2}))
    squares = np.array([0.5, 0.25, 0.1]) ** 2
    wide = np.sqrt(squares + 0.2**2)
    np.testing.assert_allclose(file.gaussians.scales[0], wide, rtol=1e-6)
    assert float(file.gaussians.opacities) == pytest.approx(0.5 * np.sqrt(squares.prod() / (wide**2).prod()))
    assert file.gaussians.antialiased
    assert "filter_3D" in file.remarks[0]
    (tmp_path / "b.ply").write_bytes(encode_ply(file))
    again = decode_ply(tmp_path / "b.ply")
    assert not again.remarks
    assert again.gaussians.antialiased
    torch.testing.assert_close(again.gaussians.scales, file.gaussians.scales)


@pytest.mark.parametrize(("width", "comments"), [(0.0, ()), (0.2, ("SplatRenderMode: default",))])
def test_a_filter_of_nothing_or_told_otherwise_marks_no_scene(
    tmp_path: Path, width: float, comments: tuple[str, ...]
) -> None:
    file = decode_ply(in_ply(tmp_path / "a.ply", COLUMNS | {"filter_3D": width}, comments))
    assert not file.gaussians.antialiased
    assert bool(file.remarks) == (width > 0)
    assert (float(file.gaussians.opacities) == 0.5) == (width == 0)


@pytest.mark.parametrize("prefix", ["scal_", "scalar_"])
def test_names_as_cloudcompare_spells_them(tmp_path: Path, prefix: str) -> None:
    spelt = {name if name in "xyz" else prefix + name: value for name, value in COLUMNS.items()}
    read, plain = (decode_ply(in_ply(tmp_path / "a.ply", columns)).gaussians for columns in (spelt, COLUMNS))
    assert all(map(torch.equal, read.tensors(), plain.tensors()))


@pytest.mark.parametrize(("kind", "white"), [("u1", 255), ("<u2", 65535), ("<f4", 1)])
def test_plain_colours_in_the_place_of_harmonics(tmp_path: Path, kind: str, white: int) -> None:
    """As nerfstudio writes them with `--ply-color-mode rgb`."""
    columns = {name: value for name, value in COLUMNS.items() if not name.startswith("f_")}
    columns |= {"red": white, "green": 0.0, "blue": white * 0.2}
    row = np.array([tuple(columns.values())], dtype=[(name, kind if name in RGB else "<f4") for name in columns])
    PlyData([PlyElement.describe(row, "vertex")]).write(str(tmp_path / "a.ply"))
    read = decode_ply(tmp_path / "a.ply").gaussians
    torch.testing.assert_close(to_color(read.harmonics), torch.tensor([[1.0, 0.0, 0.2]]), rtol=0, atol=1e-6)
    both = decode_ply(in_ply(tmp_path / "b.ply", COLUMNS | {"red": 1.0, "green": 1.0, "blue": 1.0})).gaussians
    assert both.harmonics[0, 0].tolist() == [0.5, 0.25, 0.125]


@pytest.mark.parametrize("length", [1e-30, 1e25])
def test_quaternions_of_any_length(tmp_path: Path, length: float) -> None:
    turned = COLUMNS | {"rot_0": 0.6 * length, "rot_2": -0.8 * length}
    read = decode_ply(in_ply(tmp_path / "a.ply", turned)).gaussians
    torch.testing.assert_close(read.quaternions, torch.tensor([[0.6, 0.0, -0.8, 0.0]]))


@pytest.mark.filterwarnings("error")
def test_doubles_beyond_float32_are_dropped_without_a_word_of_numpy(tmp_path: Path) -> None:
    rows = np.zeros(9, dtype=[(name, "<f8") for name in COLUMNS])
    for index, name in enumerate(COLUMNS):
        rows[name] = COLUMNS[name]
        rows[name][index % 8] = 1e300
    PlyData([PlyElement.describe(rows, "vertex")]).write(str(tmp_path / "a.ply"))
    assert decode_ply(tmp_path / "a.ply").dropped == 7  # the logit of an opacity may be as large


def test_harmonics_of_degree_4_are_cut_and_said(tmp_path: Path) -> None:
    file = decode_ply(in_ply(tmp_path / "a.ply", COLUMNS | {f"f_rest_{i}": float(i) for i in range(72)}))
    assert file.gaussians.sh_degree == 3
    assert file.gaussians.harmonics[0, 1:, 1].tolist() == list(range(24, 39))  # the first 15 of green's 24
    assert "degree 4" in file.remarks[0]


@pytest.mark.parametrize(
    ("comments", "antialiased"),
    [
        ((), False),
        (("SplatRenderMode: mip",), True),
        (("splatrendermode:  MIP", "made by hand"), True),
        (("antialiased 1",), True),
        (("antialiased 0",), False),
        (("SplatRenderMode: mip", "SplatRenderMode: default"), False),
    ],
)
def test_comments_that_tell_how_a_scene_is_drawn(tmp_path: Path, comments: tuple[str, ...], antialiased: bool) -> None:
    file = decode_ply(in_ply(tmp_path / "a.ply", COLUMNS, comments))
    assert file.gaussians.antialiased == antialiased
    assert file.marked_comments == comments


@pytest.mark.parametrize(
    ("said", "read"),
    [("by Müller".encode(), "by M\\xfcller"), (b"by M\xfcller", "by M\\xfcller"), ("场景".encode(), "\\u573a\\u666f")],
)
def test_comments_in_other_letters(tmp_path: Path, said: bytes, read: str) -> None:
    """In UTF-8 or Latin-1: they are kept as we write them."""
    file, plain = tmp_path / "a.ply", encode_ply(SceneFile(one(), ("made by hand",)))
    file.write_bytes(plain.replace(b"made by hand", said))
    found = decode_ply(file)
    assert found.comments == (read,)
    torch.testing.assert_close(found.gaussians.means, one().means)


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("text", [False, True])
def test_any_ends_of_lines_and_a_byte_order_mark(tmp_path: Path, end: bytes, mark: bytes, text: bool) -> None:
    """Data may begin with what looks like the other half of a line end."""
    row = np.array([tuple(COLUMNS.values())], dtype=[(name, "<f4") for name in COLUMNS])
    row["x"] = np.frombuffer(b"\n\r\nA", "<f4")[0]
    written = io.BytesIO()
    PlyData([PlyElement.describe(row, "vertex")], text=text, byte_order="<").write(written)
    header, data = written.getvalue().split(b"end_header\n")
    data = data.replace(b"\n", end) if text else data
    (tmp_path / "a.spz").write_bytes(mark + header.replace(b"\n", end) + b"end_header" + end + data)
    read = decode_scene(tmp_path / "a.spz")
    assert "is a .ply by its content" in read.remarks[0]
    assert read.gaussians.means[0].tolist() == pytest.approx([float(row["x"][0]), 2, 3])


def test_a_header_of_carriage_returns_that_does_not_end(tmp_path: Path) -> None:
    (tmp_path / "a.ply").write_bytes(b"ply\rformat ascii 1.0\r" + b"comment a\r" * 200_000)
    with pytest.raises(InputError, match="header does not end"):
        decode_ply(tmp_path / "a.ply")


def test_double_positions_far_from_the_origin_are_kept_relative(tmp_path: Path) -> None:
    """And said, with a comment that leads back; single ones have lost already what could be kept."""
    offsets = np.linspace(0, 10, 50)
    columns = {**{name: np.full(50, value) for name, value in COLUMNS.items()}, "x": 412_345.0 + offsets}
    for kind in ("<f8", "<f4"):
        rows = np.zeros(50, dtype=[(name, kind if name in "xyz" else "<f4") for name in columns])
        for name, column in columns.items():
            rows[name] = column
        PlyData([PlyElement.describe(rows, "vertex")], byte_order="<").write(str(tmp_path / "a.ply"))
        file = decode_ply(tmp_path / "a.ply")
        if kind == "<f4":
            assert file.comments == file.remarks == ()
            continue
        assert file.comments == ("origin of the coordinates 412350.0 2.0 3.0",)
        assert "(412350, 2, 3)" in file.remarks[0]
        np.testing.assert_allclose(file.gaussians.means[:, 0], offsets - 5, atol=1e-5)
        assert file.gaussians.means[:, 1].abs().max() == 0


@pytest.mark.parametrize("text", [False, True])
def test_faces_after_the_gaussians_are_passed_over(tmp_path: Path, text: bool) -> None:
    rows = np.zeros(3, dtype=[(name, "<f4") for name in COLUMNS])
    for name, value in COLUMNS.items():
        rows[name] = value
    faces = np.zeros(2, dtype=[("vertex_indices", "i4", (3,))])
    elements = [PlyElement.describe(rows, "vertex"), PlyElement.describe(faces, "face")]
    PlyData(elements, text=text, byte_order="<").write(str(tmp_path / "a.ply"))
    plain = decode_ply(in_ply(tmp_path / "b.ply", COLUMNS)).gaussians
    read = decode_ply(tmp_path / "a.ply").gaussians
    assert len(read) == 3
    torch.testing.assert_close(read.means[:1], plain.means)
    PlyData(elements[::-1], text=text, byte_order="<").write(str(tmp_path / "c.ply"))
    with pytest.raises(InputError, match="lists of numbers for each face"):
        decode_ply(tmp_path / "c.ply")
