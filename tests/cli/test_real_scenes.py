"""The main job on real photos, with the shipped weights: minutes of work, so marked slow."""

import pytest
import torch

from ilrm_cli.capture.photos.folder import open_folder
from ilrm_cli.pipeline.reconstruct import reconstruct
from ilrm_cli.pipeline.settings import Settings
from ilrm_cli.render.metrics import psnr
from ilrm_cli.render.rasterize import NEAR, render
from ilrm_cli.scene.checks import record_path
from ilrm_cli.scene.formats.ply import decode_ply
from ilrm_cli.scene.record import cameras_of, read_record
from tests.support.command_line import ilrm, ilrm_process

pytestmark = pytest.mark.slow

DRAFT = ("--quality", "draft")


def test_a_draft_of_posed_photos_takes_less_than_half_a_minute(shared, tmp_path):
    made = ilrm_process("reconstruct", shared / "scenes" / "fox", "-o", tmp_path / "fox.ply", *DRAFT, "--json")
    assert made.status == 0
    assert made.json["timings_s"]["total"] < 30
    assert made.json["views"]["registered"] == 30


def test_a_draft_of_photos_alone_takes_less_than_three_minutes(shared, tmp_path, monkeypatch):
    monkeypatch.setenv("ILRM_CACHE", str(tmp_path / "cache"))  # poses and kernels from nothing
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    castle = shared / "photos" / "sceaux_castle"
    made = ilrm_process("reconstruct", castle, "-o", tmp_path / "castle.ply", *DRAFT, "--json")
    assert made.status == 0
    assert made.json["timings_s"]["total"] < 180
    assert made.json["views"]["registered"] == 11


def test_the_file_of_a_real_scene_renders_like_the_scene_in_memory(shared, tmp_path):
    ilrm("reconstruct", shared / "scenes" / "fox", "-o", tmp_path / "fox.ply", *DRAFT, "-q")
    memory = reconstruct(open_folder(shared / "scenes" / "fox"), Settings(quality="draft"))
    record = read_record(record_path(tmp_path / "fox.ply"))
    cameras = cameras_of(record, "input").to(torch.float32)
    from_file = render(decode_ply(tmp_path / "fox.ply").gaussians, cameras, near=NEAR / record.model_from_world.scale)
    assert float(psnr(from_file.color, render(memory.gaussians, memory.prepared.inputs.cameras).color).min()) > 50


@pytest.mark.parametrize("scene", ["fox", "fern", "fountain", "castle"])
def test_refinement_raises_the_held_out_score(shared, tmp_path, scene):
    made = ilrm("reconstruct", shared / "scenes" / scene, "-o", tmp_path / "s.ply", "--refine", "50", "--json").json
    assert made["refine"]["psnr_after"] > made["refine"]["psnr_before"] + 0.5
    assert made["held_out"]["psnr"] == pytest.approx(made["refine"]["psnr_after"], abs=1e-3)
