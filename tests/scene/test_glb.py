import dataclasses
import json
import math
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ilrm_cli.geometry.harmonics import SH_C0, from_color, srgb_from_linear, to_color
from ilrm_cli.geometry.transforms import matrix_from_quaternion
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.scene.formats import gltf
from ilrm_cli.scene.formats.glb import CONFIDENCE, EXTENSION, LINEAR, OPACITY, ROTATION, SCALE, decode_glb, encode_glb
from ilrm_cli.scene.formats.gltf import glb_bytes
from ilrm_cli.scene.formats.scene_file import SceneFile
from tests.support.dense_renderer import colors_seen
from tests.support.splats import apart, one, shapes, splats

SPLATS = {"mode": 0, "extensions": {EXTENSION: {"kernel": "ellipse", "colorSpace": "srgb_rec709_display"}}}


def taken_apart(data: bytes) -> tuple[dict[str, Any], bytes]:
    magic, version, whole, length, kind = struct.unpack_from("<IIIII", data)
    assert (magic, version, whole, kind) == (0x46546C67, 2, len(data), 0x4E4F534A)
    content = json.loads(data[20 : 20 + length])
    size, kind = struct.unpack_from("<II", data, 20 + length)
    assert (kind, length % 4, size % 4, size) == (0x004E4942, 0, 0, content["buffers"][0]["byteLength"])
    return content, data[28 + length :]


def changed(data: bytes, change: Callable[[dict[str, Any]], object]) -> bytes:
    content, binary = taken_apart(data)
    change(content)
    text = json.dumps(content).encode()
    text += b" " * (-len(text) % 4)
    chunks = struct.pack("<II", len(text), 0x4E4F534A) + text + struct.pack("<II", len(binary), 0x004E4942) + binary
    return struct.pack("<III", 0x46546C67, 2, 12 + len(chunks)) + chunks


def read(folder: Path, data: bytes) -> SceneFile:
    file = folder / "a.glb"
    file.write_bytes(data)
    return decode_glb(file)


def test_attributes_of_one_gaussian() -> None:
    """X and y change their signs: the format is x left, y up. Values are plain, colours bytes, w comes last."""
    scene = one(
        quaternions=torch.tensor([[0.0, 0.0, 0.0, 1.0]]),
        harmonics=torch.tensor([[[0.5 / SH_C0, 0, -9.0], [1, 1, 1], [2, 2, 2], [3, 3, 3]]]),
    )
    content, binary = taken_apart(encode_glb(SceneFile(scene, ("made by hand",))))
    (primitive,) = content["meshes"][0]["primitives"]
    assert (primitive["mode"], content["extensionsUsed"]) == (0, [EXTENSION])
    assert primitive["extensions"][EXTENSION]["kernel"] == "ellipse"
    assert content["asset"]["extras"] == {"comments": ["made by hand"]}

    def values(name: str) -> list[float]:
        accessor = content["accessors"][primitive["attributes"][name]]
        start = content["bufferViews"][accessor["bufferView"]]["byteOffset"]
        kind = {5126: "<f4", 5121: "u1"}[accessor["componentType"]]
        count = {"SCALAR": 1, "VEC3": 3, "VEC4": 4}[accessor["type"]]
        return np.frombuffer(binary, kind, count, start).tolist()

    assert values("POSITION") == [-1, -2, 3]
    assert values("COLOR_0") == [255, 55, 0, 255]  # linear
    assert [abs(value) for value in values(ROTATION)] == [0, 0, 0, 1]  # turned about z twice
    assert (values(SCALE), values(OPACITY)) == ([1, 0.5, 0.25], [1])
    assert [values(f"{EXTENSION}:SH_DEGREE_1_COEF_{i}")[0] for i in range(3)] == [-1, 2, -3]


def test_comments_and_confidence_are_kept(tmp_path: Path) -> None:
    confidence = torch.tensor([0.0, 0.5, 1.0])
    found = read(tmp_path, encode_glb(SceneFile(splats(3, 0), ("Zürich", "two"), confidence=confidence)))
    assert found.comments == ("Zürich", "two")
    assert found.confidence is not None
    assert found.confidence.tolist() == [0, 0.5, 1]


def test_nodes_put_the_scene_elsewhere(tmp_path: Path) -> None:
    """A parent that moves, a child that turns by 90° about y and doubles: x becomes -z."""

    def place(content: dict[str, Any]) -> None:
        half = math.sqrt(0.5)
        content["nodes"] = [
            {"translation": [10, 0, 0], "children": [1]},
            {"mesh": 0, "rotation": [0, half, 0, half], "scale": [2, 2, 2]},
        ]

    found = read(tmp_path, changed(encode_glb(SceneFile(one())), place)).gaussians
    in_file = torch.tensor([[-1.0, -2.0, 3.0]])  # turned about z on the way out, and below again
    expected = torch.tensor([[10 + 2 * in_file[0, 2], 2 * in_file[0, 1], -2 * in_file[0, 0]]])
    torch.testing.assert_close(found.means, expected * torch.tensor([-1.0, -1.0, 1.0]))
    torch.testing.assert_close(found.scales, torch.tensor([[2.0, 1.0, 0.5]]))
    torch.testing.assert_close(shapes(found).diagonal(dim1=1, dim2=2)[0], shapes(one())[0].diagonal()[[2, 1, 0]])


def test_a_matrix_does_the_same_as_its_parts(tmp_path: Path) -> None:
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = 2 * np.array([[0, 0, 1], [0, 1, 0], [-1, 0, 0]]), (10, 0, 0)
    data, half = encode_glb(SceneFile(splats(20, 2))), math.sqrt(0.5)
    parts = {"mesh": 0, "translation": [10, 0, 0], "rotation": [0, half, 0, half], "scale": [2, 2, 2]}
    one_way = read(tmp_path, changed(data, lambda c: c.update(nodes=[parts]))).gaussians
    other = read(tmp_path, changed(data, lambda c: c.update(nodes=[{"mesh": 0, "matrix": matrix.T.ravel().tolist()}])))
    assert max(apart(one_way, other.gaussians).values()) < 1e-5


def test_several_primitives_and_degrees_become_one_scene(tmp_path: Path) -> None:
    def twice(content: dict[str, Any]) -> None:
        (first,) = content["meshes"][0]["primitives"]
        plain = {name: i for name, i in first["attributes"].items() if "DEGREE_1" not in name and name != CONFIDENCE}
        content["meshes"][0]["primitives"].append({**first, "attributes": plain})

    data = encode_glb(SceneFile(splats(5, 1), confidence=torch.ones(5)))
    found = read(tmp_path, changed(data, twice))
    assert found.confidence is None
    assert found.gaussians.harmonics.shape == (10, 4, 3)
    assert found.gaussians.harmonics[5:, 1:].abs().max() == 0


def test_numbers_in_few_bits_and_logarithms_of_drafts(tmp_path: Path) -> None:
    columns = {
        "POSITION": np.array([[1, 2, 3]], dtype="f4"),
        ROTATION: np.array([[0, 0, 0, 127]], dtype="i1"),
        SCALE: np.log(np.array([[1, 0.5, 0.25]], dtype="f4")),
        OPACITY: np.array([[51]], dtype="u1"),
        f"{EXTENSION}:SH_DEGREE_0_COEF_0": np.zeros((1, 3), dtype="f4"),
    }
    found = read(tmp_path, glb_bytes({"asset": {"version": "2.0"}}, columns, SPLATS)).gaussians
    assert found.means.tolist() == [[-1, -2, 3]]
    torch.testing.assert_close(found.scales, torch.tensor([[1.0, 0.5, 0.25]]))
    assert found.opacities.tolist() == pytest.approx([0.2])


@pytest.mark.parametrize(
    ("extras", "comments"),
    [
        ({"comments": ["a", 1, None]}, ("a",)),
        ({"comments": "made by X"}, ("made by X",)),
        ({"comments": 1}, ()),
        ("made by X", ("made by X",)),
        (["a", {"b": 1}], ("a",)),
        (None, ()),
        (1.5, ()),
    ],
)
def test_extras_may_be_anything(tmp_path: Path, extras: object, comments: tuple[str, ...]) -> None:
    found = read(tmp_path, changed(encode_glb(SceneFile(splats(3, 0))), lambda c: c["asset"].update(extras=extras)))
    assert found.comments == comments


def linear(data: bytes) -> bytes:
    """Say that the colours are linear."""
    return changed(data, lambda c: c["meshes"][0]["primitives"][0]["extensions"][EXTENSION].update(colorSpace=LINEAR))


@pytest.mark.parametrize(("light", "color"), [(0.0, 0.0), (0.002, 0.02584), (0.2140, 0.5), (0.5, 0.7354), (1.0, 1.0)])
def test_linear_colours_become_srgb(tmp_path: Path, light: float, color: float) -> None:
    found = read(tmp_path, linear(encode_glb(SceneFile(one(harmonics=from_color(torch.full((1, 3), light)))))))
    torch.testing.assert_close(to_color(found.gaussians.harmonics), torch.full((1, 3), color), atol=1e-4, rtol=0)
    assert "linear colours" in found.remarks[0]


@pytest.mark.parametrize("degree", [1, 2, 3])
def test_linear_colours_become_srgb_from_all_sides(tmp_path: Path, degree: int) -> None:
    """As nearly as harmonics of that degree can, for colours that change by a quarter."""
    scene = splats(200, degree)
    harmonics = 0.3 * scene.harmonics
    harmonics[:, 0] = 0
    scene = dataclasses.replace(scene, harmonics=harmonics)
    found = read(tmp_path, linear(encode_glb(SceneFile(scene)))).gaussians
    for direction in torch.nn.functional.normalize(torch.tensor([[1.0, 2, 3], [-1, 0, 0.2], [0, -1, -1]]), dim=1):
        expected = torch.from_numpy(srgb_from_linear(colors_seen(harmonics, direction).numpy()))
        torch.testing.assert_close(colors_seen(found.harmonics, direction), expected, atol=0.005, rtol=0)


def test_many_nodes_are_turned_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There may be many without a mesh, which must not take time."""

    def many(content: dict[str, Any]) -> None:
        content["nodes"] = [{"mesh": 0, "children": [*range(1, 1001)]}, *({"rotation": [0, 0, 0, 1]},) * 1000]

    turned = []
    monkeypatch.setattr(gltf, "matrix_from_quaternion", lambda q: turned.append(q) or matrix_from_quaternion(q))
    assert len(read(tmp_path, changed(encode_glb(SceneFile(splats(3, 0))), many)).gaussians) == 3
    assert len(turned) == 1


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda c: c["meshes"][0]["primitives"][0].pop("extensions"), "no Gaussian splats"),
        (lambda c: c["meshes"][0]["primitives"][0]["attributes"].pop(SCALE), "without .*SCALE"),
        (lambda c: c["accessors"][0].update(count=10**12), "cannot hold 1000000000000 Gaussians"),
        (lambda c: c["accessors"][2].update(count=5), "different lengths"),
        (lambda c: c["accessors"][3].update(byteOffset=10**9), "outside of the file"),
        (lambda c: c["accessors"][3].update(type="SCALAR"), "SCALAR where 3 numbers"),
        (lambda c: c["accessors"][0].update(count=-5), "cannot hold -5 Gaussians"),
        (lambda c: c["accessors"][0].pop("bufferView"), "sparse or compressed"),
        (lambda c: c["nodes"][0].update(children=[0]), "several places"),
        (lambda c: c["nodes"][0].update(scale=[1, 1, 2]), "stretches"),
        (lambda c: c["nodes"][0].update(scale=[-1, 1, 1]), "mirrors"),
        (lambda c: c.pop("nodes"), "does not hold together"),
        (lambda c: c["accessors"][0].update(componentType=1), "does not hold together"),
        (lambda c: c["accessors"][3].update(byteOffset=math.inf), "does not hold together"),
        (lambda c: c["nodes"][0].update(scale=[math.nan] * 3), "placed by numbers that are not finite or too large"),
        (lambda c: c["nodes"][0].update(translation=[1e300] * 3), "placed by numbers that are not finite or too large"),
        (
            lambda c: c["meshes"][0]["primitives"][0]["extensions"][EXTENSION].update(colorSpace="lin_ap1_scene"),
            "colours in lin_ap1_scene",
        ),
    ],
)
def test_files_that_are_no_scene(tmp_path: Path, change: Callable[[dict[str, Any]], object], why: str) -> None:
    with pytest.raises(InputError, match=why):
        read(tmp_path, changed(encode_glb(SceneFile(splats(4, 0))), change))
