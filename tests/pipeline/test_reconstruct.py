"""What is refused before the long work begins, and what its beginning is called.

What only some systems have is never needed: the main job runs without the calls and modules that Windows lacks.
"""

import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from ilrm_cli.capture.photos.folder import open_folder
from ilrm_cli.pipeline import reconstruct as stage
from ilrm_cli.pipeline.settings import Settings
from ilrm_cli.runtime.errors import InputError

SCENE = Path(__file__).parents[2] / "sample_scenes" / "posed"
# Other packages branch on the name of the system when they are imported, so that happens first.
CODE = """
import os, signal, sys, time
import imageio_ffmpeg, numba, PIL.Image, platformdirs, plyfile, psutil, pycolmap, scipy.sparse.csgraph, torch
import torch._dynamo  # torch imports it with the first decorated call
for place, names in {
    os: ("pathconf", "sysconf", "sysconf_names", "getuid", "geteuid", "getgid", "sched_getaffinity", "killpg",
         "getpgid", "setsid", "statvfs", "getloadavg", "nice", "uname", "mkfifo", "fchmod"),
    signal: ("SIGKILL", "SIGHUP", "SIGUSR1", "SIGALRM", "setitimer", "pthread_sigmask"),
    time: ("CLOCK_BOOTTIME", "clock_gettime"),
}.items():
    for name in names:
        if hasattr(place, name):
            delattr(place, name)
sys.modules |= dict.fromkeys(("resource", "fcntl", "pwd", "grp", "termios"))
from ilrm_cli.cli.app import main
sys.argv[0] = "ilrm"
main()
"""


@pytest.mark.parametrize(("photos", "said"), [(0, "holds no photo"), (1, "only one photo"), (2, "only two photos")])
def test_too_few_photos_are_refused_before_a_model_is_loaded(tmp_path, monkeypatch, photos, said):
    def never(*_):
        raise AssertionError("a model is loaded and a renderer compiled")

    monkeypatch.setattr(stage, "load", never)
    for index in range(photos):
        Image.new("RGB", (64, 48)).save(tmp_path / f"{index}.jpg")
    with pytest.raises(InputError, match=said):
        stage.reconstruct(open_folder(tmp_path), Settings())


def test_the_main_job_needs_nothing_that_only_posix_has(tmp_path: Path):
    output = tmp_path / "scene.ply"
    job = ["reconstruct", SCENE, "--views", "4", "--size", "64", "--no-auto-scale", "--quality", "draft", "-o", output]
    ended = subprocess.run([sys.executable, "-c", CODE, *map(str, job)], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    assert output.stat().st_size > 0
