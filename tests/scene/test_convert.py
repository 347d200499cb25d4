"""Tests of conversions: the pictures are compared, and the record is kept right."""

import dataclasses
import json
from pathlib import Path

import pytest
import torch

from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.geometry.transforms import Similarity
from ilrm_cli.render.metrics import PSNR_CAP
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.scene import convert as conversion
from ilrm_cli.scene.checks import SUFFIXES, record_path
from ilrm_cli.scene.convert import MIN_PSNR_DB, compared, convert
from ilrm_cli.scene.files import decode_scene, encode_scene
from ilrm_cli.scene.formats.scene_file import SceneFile, told_dropped
from ilrm_cli.scene.opened import Sight, read_shown_scene
from ilrm_cli.scene.record import SceneRecord, read_record, recorded_views
from tests.support.records import write_record
from tests.support.splats import splats

SAME_FRAME = Similarity(1.0, torch.eye(3, dtype=torch.float64), torch.zeros(3, dtype=torch.float64))


def before_the_scene() -> Cameras:
    """Return two cameras that look at the origin from 6 units away."""
    poses = torch.eye(4, dtype=torch.float64).repeat(2, 1, 1)
    poses[:, 2, 3] = -6
    poses[1, 0, 3] = 0.5
    focal_px, center_px = torch.full((2, 2), 60.0).double(), torch.tensor([[24.0, 16.0]] * 2).double()
    return Cameras(poses, focal_px, center_px, width=48, height=32)


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    """Write 300 Gaussians with harmonics, and a record of their black background and the place of their photos."""
    folder = tmp_path / "made"
    (folder / "photos").mkdir(parents=True)
    file = folder / "scene.ply"
    large = splats(300, 1)
    large = dataclasses.replace(large, scales=large.scales * 3)
    file.write_bytes(encode_scene(SceneFile(large, ("made by hand",)), ".ply"))
    views = recorded_views(["a.jpg", "b.jpg"], ["", ""], before_the_scene(), "input")
    record = SceneRecord(
        views,
        SAME_FRAME,
        {"name": "none", "sha256": ""},
        seed=0,
        background=(0.0, 0.0, 0.0),
        photos="photos",
        photo_root="photos",
        refined_from={"scene": "scene.ply", "sha256": ""},
    )
    write_record(record_path(file), record)
    return file


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_format_looks_like_the_scene(scene: Path, suffix: str) -> None:
    made = convert(scene, scene.with_name(f"other{suffix}"))
    assert (made.gaussians, made.views) == (300, 2)
    assert made.output_bytes == made.output.stat().st_size
    assert made.input_bytes == scene.stat().st_size
    assert made.psnr_db > (MIN_PSNR_DB if suffix == ".splat" else 40)
    assert (made.psnr_db == PSNR_CAP) == (suffix in (".ply", ".glb"))
    assert len(made.warnings) == (suffix == ".splat")  # its harmonics


def test_the_comparison_sees_a_scene_that_is_upside_down() -> None:
    upright = splats(200, 0)
    turned = dataclasses.replace(upright, means=upright.means * torch.tensor([1.0, -1.0, -1.0]))
    sight = Sight(before_the_scene(), (1.0, 1.0, 1.0), 0.01)
    assert compared(upright, turned, sight) < 30 < compared(upright, upright, sight)


def test_from_any_format_to_any_other(scene: Path) -> None:
    there = scene.with_name("scene.spz")
    convert(scene, there)
    back = convert(there, scene.with_name("back.sog"))
    assert back.psnr_db > 40
    assert decode_scene(back.output).gaussians.sh_degree == 1


def test_too_little_precision_is_said(scene: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def faded(path: Path, suffix: str) -> SceneFile:
        file = decode_scene(path, suffix)
        return dataclasses.replace(
            file, gaussians=dataclasses.replace(file.gaussians, opacities=file.gaussians.opacities * 0.3)
        )

    monkeypatch.setattr(conversion, "decode_scene", faded)
    made = convert(scene, scene.with_name("other.glb"))
    assert made.psnr_db < MIN_PSNR_DB
    assert "looks different" in made.warnings[0]


def test_one_record_serves_all_formats_beside_it(scene: Path) -> None:
    before = record_path(scene).read_bytes()
    convert(scene, scene.with_name("scene.compressed.ply"))
    assert record_path(scene).read_bytes() == before
    assert sorted(p.name for p in scene.parent.iterdir()) == [
        "photos",
        "scene.compressed.ply",
        "scene.json",
        "scene.ply",
    ]


def test_the_record_goes_along_and_still_finds_the_photos(scene: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    convert(scene, out / "a.spz")
    record = read_record(out / "a.json")
    assert record.background == (0, 0, 0)
    for named in (record.photos, record.photo_root):
        assert (out / str(named)).resolve() == (scene.parent / "photos").resolve()
    assert record.refined_from is not None
    assert (out / record.refined_from["scene"]).resolve() == scene.resolve()
    convert(scene, out / "a.sog")  # the same record: nothing to replace
    other = dataclasses.replace(read_record(record_path(scene)), seed=1)
    write_record(record_path(scene), other)
    with pytest.raises(InputError, match=r"a\.json exists; pass -w"):
        convert(scene, out / "a.glb")
    assert not (out / "a.glb").exists()
    made = convert(scene, out / "a.glb", overwrite=True)
    assert read_record(out / "a.json").seed == 1
    assert "no longer that of" in made.warnings[-1]
    assert all(name in made.warnings[-1] for name in ("a.spz", "a.sog"))


@pytest.mark.parametrize(
    ("frame", "suffix", "warned"), [("input", ".glb", 0), ("opengl", ".glb", 1), ("up", ".sog", 0)]
)
def test_axes_that_viewers_turn_once_more_are_warned_of(scene: Path, frame: str, suffix: str, warned: int) -> None:
    write_record(record_path(scene), dataclasses.replace(read_record(record_path(scene)), frame=frame))
    made = convert(scene, scene.with_name(f"scene{suffix}"))
    assert sum("does not stand upright" in warning for warning in made.warnings) == warned


def test_scenes_without_a_record_are_seen_from_a_ring(scene: Path) -> None:
    record_path(scene).unlink()
    made = convert(scene, scene.with_name("other.spz"))
    assert made.views > 2
    assert made.psnr_db > 40
    assert not record_path(made.output).exists()
    others = made.output.with_name("others.json")
    write_record(others, SceneRecord((), SAME_FRAME, {"name": "none", "sha256": ""}, seed=0))
    with pytest.raises(InputError, match="record of another scene"):
        convert(scene, others.with_suffix(".spz"))


def test_what_was_dropped_is_said(scene: Path) -> None:
    file = decode_scene(scene)
    spoilt = bytearray(encode_scene(SceneFile(Gaussians.concatenated(file.gaussians, file.gaussians[:1])), ".ply"))
    spoilt[-4:] = b"\xff\xff\xff\xff"
    scene.write_bytes(spoilt)
    made = convert(scene, scene.with_name("other.spz"))
    assert made.gaussians == 300
    assert made.warnings[0].startswith(f"1 Gaussians of {scene} have numbers that are not finite")
    assert told_dropped(1, scene) == made.warnings[:1] == read_shown_scene(scene).warnings[:1]
    assert told_dropped(1) == (made.warnings[0].replace(f" of {scene}", ""),)


@pytest.mark.parametrize(
    ("output", "sentence"),
    [
        ("scene.ply", "pass -w"),
        ("scene.obj", r"\.obj is unknown"),
        ("scene.ply/scene.spz", "is not a folder"),
        ("photos", "add a suffix"),
    ],
)
def test_outputs_that_cannot_be(scene: Path, output: str, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        convert(scene, scene.parent / output)


def test_a_scene_is_not_replaced_by_itself_and_others_files_stay(scene: Path) -> None:
    before = scene.read_bytes()
    with pytest.raises(InputError, match="is the scene itself"):
        convert(scene, scene, overwrite=True)
    assert scene.read_bytes() == before
    notes = scene.with_name("notes.json")
    notes.write_text(json.dumps({"mine": 1}))
    with pytest.raises(InputError, match="not a scene's record"):
        convert(scene, scene.with_name("notes.spz"), overwrite=True)
    assert json.loads(notes.read_text()) == {"mine": 1}
