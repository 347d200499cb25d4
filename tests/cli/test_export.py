from pathlib import Path

import pytest

from ilrm_cli.scene.files import encode_scene
from ilrm_cli.scene.formats.scene_file import SceneFile
from tests.support.command_line import ilrm
from tests.support.splats import splats

KEYS = {
    "command", "status", "output", "gaussians", "input_bytes", "output_bytes", "psnr_db", "views", "seconds",
    "field", "warnings",
}  # fmt: skip


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    file = tmp_path / "scene.ply"
    file.write_bytes(encode_scene(SceneFile(splats(200, 1)), ".ply"))
    return file


def test_json(scene: Path) -> None:
    outcome = ilrm("export", scene, "-o", scene.with_name("a.splat"), "--json")
    assert outcome.status == 0
    assert set(outcome.json) == KEYS
    assert outcome.json["output_bytes"] == 200 * 32
    assert len(outcome.json["warnings"]) == 1
    assert outcome.err.count("warning:") == 1


def test_for_people(scene: Path) -> None:
    outcome = ilrm("export", scene, "-o", scene.with_name("a.compressed.ply"))
    assert "200 Gaussians" in outcome.out
    assert "dB PSNR against scene.ply" in outcome.out


def test_bad_input_is_one_sentence(scene: Path) -> None:
    assert "does not exist" in ilrm("export", scene.with_name("none.spz"), "-o", scene.with_name("a.ply")).sentence
    assert "is unknown" in ilrm("export", scene, "-o", scene.with_name("a.xyz")).sentence
    broken = scene.with_name("broken.sog")
    broken.write_bytes(b"PK")
    outcome = ilrm("export", broken, "-o", scene.with_name("a.ply"), "--json")
    assert (outcome.status, outcome.json["status"]) == (1, "failed")
    assert sorted(p.name for p in scene.parent.iterdir()) == ["broken.sog", "scene.ply"]
