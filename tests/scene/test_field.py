"""Files of fields: what is written is read back, and what is no field is told in one sentence."""

import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load, save, save_file

from ilrm_cli.geometry.gaussians import TENSORS
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.scene.checks import (
    FIELD,
    SUFFIXES,
    check_conversion,
    check_scene_output,
    record_path,
    scenes_of,
    suffix_of,
)
from ilrm_cli.scene.files import decode_scene, encode_scene
from ilrm_cli.scene.formats.field import HEADER
from tests.support.small_fields import MODEL, PLACE, field_file


@pytest.fixture(scope="module")
def file():
    return field_file("triposr")


@pytest.fixture(scope="module")
def content(file):
    return encode_scene(file, FIELD)


def changed(content: bytes, path, tensors=None, drop=(), **told):
    """Write a field's file with other tensors, or other words in its header."""
    size = int.from_bytes(content[:8], "little")
    header = json.loads(json.loads(content[8 : 8 + size])["__metadata__"][HEADER]) | told
    parts = {name: tensor for name, tensor in (load(content) | (tensors or {})).items() if name not in drop}
    path.write_bytes(save(parts, {HEADER: json.dumps(header)}))
    return path


def test_what_is_written_is_read_back_bit_for_bit(file, content, tmp_path):
    (tmp_path / "a.ilrm").write_bytes(content)
    read = decode_scene(tmp_path / "a.ilrm")
    assert read.comments == ("a comment",)
    for name in TENSORS:
        torch.testing.assert_close(getattr(read.gaussians, name), getattr(file.gaussians, name), rtol=0, atol=0)
    kept = read.field
    assert kept.model == MODEL
    assert (kept.stored.architecture, kept.stored.config) == (
        "triposr",
        json.loads(json.dumps(file.field.stored.config)),
    )
    assert {name: part.tolist() for name, part in kept.stored.parts.items()} == {
        name: part.tolist() for name, part in file.field.stored.parts.items()
    }
    assert torch.equal(kept.surface.mesh.triangles, file.field.surface.mesh.triangles)
    assert (kept.world_from_field.scale, kept.world_from_field.rotation.tolist()) == (3.0, PLACE.rotation.tolist())
    assert encode_scene(read, FIELD) == content


def test_some_of_its_gaussians_are_no_field(file):
    assert file[torch.arange(3)].field is None


def test_names(tmp_path):
    assert suffix_of(tmp_path / "A.ILRM") == FIELD
    assert FIELD not in SUFFIXES  # which are formats of Gaussians
    assert record_path(tmp_path / "a.ilrm") == tmp_path / "a.json"
    assert tmp_path / "a.ilrm" in scenes_of(tmp_path / "a.json")
    check_scene_output(tmp_path / "a.ilrm", overwrite=False, fields=True)
    with pytest.raises(InputError, match=r"a \.ilrm keeps a field"):
        check_scene_output(tmp_path / "a.ilrm", overwrite=False)
    (tmp_path / "a.ply").write_bytes(b"")
    with pytest.raises(InputError, match=r"a \.ilrm keeps a field"):
        check_conversion(tmp_path / "a.ply", tmp_path / "b.ilrm", overwrite=False)


def test_a_field_under_the_suffix_of_another_is_refused(content, tmp_path):
    (tmp_path / "a.ply").write_bytes(content)
    with pytest.raises(InputError, match=r"not a \.ply scene"):
        decode_scene(tmp_path / "a.ply")


@pytest.mark.parametrize(
    ("told", "why"),
    [
        ({"format": "ilrm field 9"}, "its format is 'ilrm field 9'"),
        ({"scale": 0.0}, "it lies in a frame that is none"),
        ({"scale": "1"}, "Expected"),
        ({"rotation": [[1, 0, 0], [0, 1, 0]]}, "a frame of other dimensions"),
        ({"rotation": [[1, 0, 0], [0, 2, 0], [0, 0, 1]]}, "a frame that is none"),
        ({"rotation": [[1, 0, 0], [0, 1, 0], [0, 0, -1]]}, "a frame that is none"),
        ({"translation": [0, 0, 1e300]}, "a frame that is none"),
        ({"more": 1}, "unknown fields"),
        ({"model": 3}, "Expected"),
    ],
)
def test_other_words_are_refused(content, tmp_path, told, why):
    with pytest.raises(InputError, match=why):
        decode_scene(changed(content, tmp_path / "a.ilrm", **told))


@pytest.mark.parametrize(
    ("name", "tensor", "why"),
    [
        ("field.planes", torch.full((2, 2), torch.nan), "field.planes holds numbers that are not finite"),
        ("field.planes", torch.zeros(2, dtype=torch.int64), "field.planes holds numbers of the kind int64"),
        ("field.planes", torch.zeros(2, dtype=torch.float16), "of the kind float16"),
        ("surface.normals", torch.zeros(2, 3), "no colour or direction for each of its vertices"),
        ("surface.colors", torch.zeros(2), r"surface.colors has the shape \(2,\)"),
        ("surface.triangles", torch.full((1, 3), -1, dtype=torch.int32), "vertices that are not there"),
        ("surface.triangles", torch.full((1, 3), 10**6, dtype=torch.int32), "vertices that are not there"),
        ("surface.triangles", torch.zeros(3, dtype=torch.int32), "vertices that are not there"),
        ("surface.cell", torch.zeros(3), "no size of details"),
    ],
)
def test_other_tensors_are_refused(content, tmp_path, name, tensor, why):
    with pytest.raises(InputError, match=why):
        decode_scene(changed(content, tmp_path / "a.ilrm", {name: tensor}))


def test_a_missing_part_is_named(content, tmp_path):
    with pytest.raises(InputError, match=r"it lacks surface\.cell"):
        decode_scene(changed(content, tmp_path / "a.ilrm", drop=("surface.cell",)))


def test_damaged_and_foreign_files_are_refused(content, tmp_path):
    path = tmp_path / "a.ilrm"
    for spoilt in (b"", b"\0" * 8, content[:100], content[:-1], content + b"x", b"\xff" * 8 + content[8:]):
        path.write_bytes(spoilt)
        with pytest.raises(InputError, match=r"a.ilrm is not a .ilrm scene, or is cut short or damaged"):
            decode_scene(path)
    save_file({"weights": torch.zeros(3)}, path)
    with pytest.raises(InputError, match="its header tells of no field"):
        decode_scene(path)


def test_memory_is_looked_at_before_it_is_taken(content, tmp_path, monkeypatch):
    (tmp_path / "a.ilrm").write_bytes(content)
    monkeypatch.setattr("ilrm_cli.scene.formats.field.free_bytes", lambda device: 1000)
    with pytest.raises(InputError, match="end other programs"):
        decode_scene(tmp_path / "a.ilrm")


def test_numbers_that_are_not_finite_are_never_written(file):
    with pytest.raises(AssertionError, match="not finite"):
        encode_scene(replace(file, gaussians=replace(file.gaussians, means=file.gaussians.means * torch.nan)), FIELD)
