"""Tests of where records lie and how they name the photos."""

from pathlib import Path

from ilrm_cli.scene.checks import photos_as_recorded, record_path


def test_the_record_lies_beside_the_scene() -> None:
    for name in ("scene.ply", "scene.spz", "scene.compressed.ply", "scene.Compressed.PLY"):
        assert record_path(Path("a") / name) == Path("a/scene.json")
    assert record_path(Path("a/scene.v2.compressed.ply")) == Path("a/scene.v2.json")
    assert record_path(Path("a/compressed.ply")) == Path("a/compressed.json")


def test_photos_at_the_root_are_named_by_their_own_path() -> None:
    assert photos_as_recorded(Path("/photos/a"), Path("/out/scene.json")) == "/photos/a"
