"""Tests of `ilrm view` as a user runs it: another process, stopped by Ctrl-C."""

import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import torch

from ilrm_cli.scene.files import encode_scene
from ilrm_cli.scene.formats.scene_file import SceneFile
from tests.support.command_line import ilrm
from tests.support.gaussian_scenes import random_gaussians


def made(folder: Path) -> Path:
    scene = folder / "scene.ply"
    scene.write_bytes(encode_scene(SceneFile(random_gaussians(50, 0, dtype=torch.float32)), ".ply"))
    return scene


def test_the_page_is_served_until_ctrl_c(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "from ilrm_cli.cli.app import run; run()", "view", "--no-browser"]
    running = subprocess.Popen(
        [*command, str(made(tmp_path))], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=os.environ | {"NO_COLOR": "1", "COLUMNS": "200"},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # shells let background work ignore it
    )  # fmt: skip
    assert running.stdout is not None
    url = re.search(r"http://127\.0\.0\.1:\d+/", running.stdout.readline())
    assert url
    with urllib.request.urlopen(url[0]) as page:
        assert b"<title>scene</title>" in page.read()
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=30)
    assert (running.returncode, out) == (0, "closed.\n")
    assert "Traceback" not in err


def test_bad_input_is_one_sentence(tmp_path: Path) -> None:
    assert "does not exist" in ilrm("view", "--no-browser", tmp_path / "none.ply").sentence
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = ilrm("view", "--no-browser", "--port", str(port), made(tmp_path))
    assert (refused.status, f"--port {port}" in refused.sentence) == (1, True)


def test_a_page_is_exported_within_its_budget(tmp_path: Path) -> None:
    page = tmp_path / "scene.html"
    done = ilrm("export", made(tmp_path), "-o", page, "--json")
    assert done.json["output_bytes"] == page.stat().st_size
    assert (done.json["gaussians"], done.json["left_out"]) == (50, 0)
    assert "-w" in ilrm("export", made(tmp_path), "-o", page).sentence
    assert "too small" in ilrm("export", made(tmp_path), "-o", page, "-w", "--max-mb", "2").sentence
    assert "--max-mb" in ilrm("export", made(tmp_path), "-o", tmp_path / "other.ply", "--max-mb", "2").sentence
