from pathlib import Path

import pytest
import torch

from ilrm_cli.render.rasterize import NEAR
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.scene.checks import record_path
from ilrm_cli.scene.files import encode_scene
from ilrm_cli.scene.formats.scene_file import SceneFile
from ilrm_cli.scene.opened import FOREIGN_SIZE_PX, WHITE, read_shown_scene, sight_of
from ilrm_cli.scene.record import read_record
from tests.scene.test_convert import before_the_scene, scene
from tests.support.splats import splats

__all__ = ["scene"]


def test_with_its_record_a_scene_is_seen_as_it_was_made(scene: Path) -> None:
    shown = read_shown_scene(scene)
    assert shown.names == ("a.jpg", "b.jpg")
    assert torch.equal(shown.cameras.world_from_cam, before_the_scene().world_from_cam)
    assert (shown.background, shown.warnings) == ((0.0, 0.0, 0.0), ())
    assert shown.near == sight_of(read_record(record_path(scene))).near == NEAR
    assert shown.photos == scene.parent / "photos"
    assert shown.recorded_up is None


def test_photos_that_are_gone_are_not_known(scene: Path) -> None:
    (scene.parent / "photos").rmdir()
    assert read_shown_scene(scene).photos is None


def test_without_a_record_it_is_seen_from_a_ring(scene: Path) -> None:
    record_path(scene).unlink()
    shown = read_shown_scene(scene)
    assert (shown.names, shown.background) == ((), WHITE)
    assert (shown.cameras.width, shown.cameras.height) == FOREIGN_SIZE_PX
    assert any("no record with cameras" in warning for warning in shown.warnings)


def test_numbers_that_are_not_finite_are_told(tmp_path: Path) -> None:
    whole = encode_scene(SceneFile(splats(20, 0)), ".ply")
    torn = bytearray(whole)
    place = whole.rindex(b"end_header\n") + len(b"end_header\n")
    torn[place : place + 4] = b"\x00\x00\xc0\x7f"  # NaN, the first Gaussian's x
    (tmp_path / "a.ply").write_bytes(torn)
    shown = read_shown_scene(tmp_path / "a.ply")
    assert len(shown.file.gaussians) == 19
    assert shown.warnings[0].startswith("1 Gaussians of")


def test_a_broken_record_is_an_error_and_a_foreign_file_is_not(scene: Path) -> None:
    record_path(scene).write_text('{"other": 1}')
    assert read_shown_scene(scene).names == ()
    record_path(scene).write_text('{"format": 1, "ilrm": "0"}')
    with pytest.raises(InputError, match="missing required field"):
        read_shown_scene(scene)
