"""Tests for every format: round trips, lossy properties, and damaged files."""

import random
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ilrm_cli.geometry.transforms import Similarity
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.scene.checks import SUFFIXES, suffix_of
from ilrm_cli.scene.files import decode_scene, encode_scene, losses
from ilrm_cli.scene.formats.scene_file import SceneFile
from ilrm_cli.scene.record import SceneRecord
from tests.support.records import write_record
from tests.support.splats import apart, one, splats

EXACT = {"means": 0.0, "shapes": 1e-6, "log_scales": 1e-5, "opacities": 1e-6, "colors": 0.0, "harmonics": 0.0}
# Half a quantisation step of the format, for the scenes of `splats`; for .sog's k-means, slightly above the error seen.
PRECISION = {
    ".ply": EXACT,
    ".glb": EXACT,
    ".compressed.ply": {
        "means": 0.004, "shapes": 0.006, "log_scales": 0.004, "opacities": 0.002, "colors": 0.01, "harmonics": 0.016,
    },
    ".splat": {"means": 0.0, "shapes": 0.02, "log_scales": 0.0, "opacities": 0.002, "colors": 0.25, "harmonics": 0.0},
    ".spz": {"means": 1e-5, "shapes": 0.05, "log_scales": 0.1, "opacities": 0.002, "colors": 0.014, "harmonics": 0.067},
    ".sog": {"means": 2e-4, "shapes": 0.04, "log_scales": 0.1, "opacities": 0.002, "colors": 0.1, "harmonics": 0.6},
}  # fmt: skip


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_suffixes_are_told_in_any_case(suffix: str) -> None:
    assert suffix_of(Path(f"a/b.c{suffix}")) == suffix
    assert suffix_of(Path(f"B{suffix.upper()}")) == suffix


@pytest.mark.parametrize("name", ["a.obj", "ply", "a", ".ply", "a.ply.gz"])
def test_unknown_suffixes(name: str) -> None:
    with pytest.raises(InputError, match=r"(is unknown|add a suffix, such as \.ply); scenes are kept as \.ply"):
        suffix_of(Path(name))


def test_missing_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        decode_scene(tmp_path / "none.ply")
    with pytest.raises(InputError, match=r"is a folder; it holds no scene; name a file\."):
        decode_scene(tmp_path)
    for name in ("b.spz", "a.ply", "notes.txt"):
        (tmp_path / name).touch()
    with pytest.raises(InputError, match=r"is a folder; name one of its scenes \(a\.ply, b\.spz\)\."):
        decode_scene(tmp_path)


def test_a_record_in_the_place_of_its_scene(tmp_path: Path) -> None:
    frame = Similarity(1.0, torch.eye(3).double(), torch.zeros(3).double())
    write_record(tmp_path / "garden.json", SceneRecord((), frame, {"name": "none", "sha256": ""}, seed=0))
    with pytest.raises(InputError, match=r"is the record of a scene; name the scene, garden\.ply or another"):
        decode_scene(tmp_path / "garden.json")


@pytest.mark.parametrize("degree", [0, 1, 2, 3])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_round_trip(tmp_path: Path, suffix: str, degree: int) -> None:
    scene, file = splats(600, degree), tmp_path / f"a{suffix}"
    file.write_bytes(encode_scene(SceneFile(scene), suffix))
    read = decode_scene(file)
    assert read.dropped == 0
    assert read.gaussians.sh_degree == (0 if suffix == ".splat" else degree)
    found = apart(scene, read.gaussians)
    assert not {name: value for name, value in found.items() if value > PRECISION[suffix][name]}


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_scenes_of_one_and_of_equal_gaussians(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"a{suffix}"
    for count in (1, 2, 257):
        scene = one()[torch.zeros(count, dtype=torch.int64)]
        file.write_bytes(encode_scene(SceneFile(scene), suffix))
        read = decode_scene(file).gaussians
        assert len(read) == count
        torch.testing.assert_close(read.means, scene.means, rtol=0, atol=1e-3)
        torch.testing.assert_close(read.scales, scene.scales, rtol=0.04, atol=0)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_same_scene_gives_the_same_bytes(suffix: str) -> None:
    assert encode_scene(SceneFile(splats(50, 1)), suffix) == encode_scene(SceneFile(splats(50, 1)), suffix)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_writing_refuses_numbers_that_are_not_finite(suffix: str) -> None:
    with pytest.raises(AssertionError, match="1 Gaussians"):
        encode_scene(SceneFile(one(means=torch.tensor([[1.0, torch.nan, 3.0]]))), suffix)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_is_lost_is_said_and_the_rest_is_kept(tmp_path: Path, suffix: str) -> None:
    written = SceneFile(splats(40, 1), ("made by hand",), confidence=torch.linspace(0, 1, 40))
    file = tmp_path / f"a{suffix}"
    file.write_bytes(encode_scene(written, suffix))
    read, said = decode_scene(file), " ".join(losses(written, suffix))
    assert ("colours that change" in said) == (read.gaussians.sh_degree == 0)
    assert ("confidence" in said) == (read.confidence is None)
    assert read.comments in ((), ("made by hand",))
    assert losses(SceneFile(splats(40, 0)), suffix) == ()
    if read.confidence is not None:
        torch.testing.assert_close(read.confidence, written.confidence)


@pytest.mark.parametrize("antialiased", [False, True])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_mark_of_antialiased_scenes_is_kept_or_its_loss_said(
    tmp_path: Path, suffix: str, antialiased: bool
) -> None:
    written = SceneFile(replace(splats(40, 1), antialiased=antialiased), ("made by hand",))
    file = tmp_path / f"a{suffix}"
    file.write_bytes(encode_scene(written, suffix))
    read, said = decode_scene(file), " ".join(losses(written, suffix))
    assert read.gaussians.antialiased == (antialiased and suffix != ".splat")
    assert ("antialiased" in said) == (read.gaussians.antialiased != antialiased)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_damaged_files_are_refused_in_a_sentence(tmp_path: Path, suffix: str) -> None:
    """Cut at any place, or with bytes changed: either it can be read or an InputError says why not."""
    whole, draw = encode_scene(SceneFile(splats(60, 1)), suffix), random.Random(0)
    file, sentences = tmp_path / f"a{suffix}", []
    for attempt in range(60):
        spoilt = bytearray(whole)
        if attempt < 30:
            del spoilt[draw.randrange(len(whole)) :]
        for _ in range(attempt // 10):
            spoilt[draw.randrange(min(len(spoilt), 900)) if spoilt else 0 : 0] = bytes([draw.randrange(256)])
        file.write_bytes(spoilt)
        try:
            decode_scene(file)
        except InputError as error:
            sentences.append(str(error))
    assert len(sentences) >= 25
    assert all(str(file) in sentence for sentence in sentences)


def test_a_compressed_file_is_known_by_its_content(tmp_path: Path) -> None:
    file = tmp_path / "a.ply"
    file.write_bytes(encode_scene(SceneFile(splats(10, 0)), ".compressed.ply"))
    assert len(decode_scene(file).gaussians) == 10
    assert len(decode_scene(file, ".compressed.ply").gaussians) == 10


@pytest.mark.parametrize("named", [*SUFFIXES, ".ksplat"])
@pytest.mark.parametrize("suffix", sorted({*SUFFIXES} - {".splat"}))
def test_a_renamed_file_is_read_by_its_content_and_said(tmp_path: Path, suffix: str, named: str) -> None:
    file, plain = tmp_path / f"a{named}", tmp_path / f"b{suffix}"
    for path in (file, plain):
        path.write_bytes(encode_scene(SceneFile(splats(32, 0)), suffix))
    read, expected = decode_scene(file), decode_scene(plain)
    assert all(map(torch.equal, read.gaussians.tensors(), expected.gaussians.tensors()))
    same = suffix[-4:] == named[-4:]
    assert read.remarks == (() if same else (f"{file} is a {suffix[-4:]} by its content, and was read as one.",))
