import inspect
import json
import os
import shutil
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import torch

from ilrm_cli.data.synthetic.dataset import Shooting, plan_scene, training_scene, training_scenes
from ilrm_cli.data.synthetic.raycaster import raycast
from ilrm_cli.data.synthetic.raycaster.raycast import render_scene, render_scenes
from ilrm_cli.data.synthetic.raycaster.raycast_cuda import fill_scenes, scene_type
from ilrm_cli.data.synthetic.scenes.by_number import KINDS, make_scene
from ilrm_cli.data.synthetic.trajectories import draw_cameras
from ilrm_cli.runtime.errors import InputError

ROOT = Path(__file__).resolve().parents[2]
HOPPER = (9, 0)  # compute capability that the kernel is compiled for where there is no GPU
SAME_COLOUR, SAME_DEPTH = 2e-3, 1e-4  # of full brightness; of the depth
SAME_SHARE = 0.995  # of pixels: at a silhouette a ray may fall on either side

needs_numba_cuda = pytest.mark.skipif(
    find_spec("numba_cuda") is None, reason="numba-cuda is not installed: pip install 'ilrm[cuda]'"
)


@pytest.mark.slow  # the simulator runs in Python
def test_kernel_in_the_simulator_draws_what_the_cpu_draws():
    """One view of a scene of every kind, 12 x 8 px, 2 samples, all in one launch."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.simulated_cuda", *KINDS],
        cwd=ROOT, env={**os.environ, "NUMBA_ENABLE_CUDASIM": "1"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    compared = [json.loads(line) for line in done.stdout.splitlines()]
    assert [found["kind"] for found in compared] == list(KINDS)
    for found in compared:
        assert found["contrast"] > 0.01  # there is something to see
        assert (np.array(found["colour"]) < SAME_COLOUR).mean() > 0.98, found["kind"]  # at most one pixel of 96
        assert (np.array(found["depth"]) < SAME_DEPTH).mean() > 0.98, found["kind"]
    assert max(np.median(found["colour"]) for found in compared) < 1e-6  # nearly all agree to the last bits


def test_records_hold_what_scenes_hold():
    scenes = [make_scene(5, index) for index in range(3)]
    rows = np.zeros(3, scene_type(scenes))
    fill_scenes(rows, scenes)
    for row, scene in zip(rows, scenes, strict=True):
        for group in rows.dtype.names:
            for name, array in getattr(scene, group)._asdict().items():
                np.testing.assert_array_equal(row[group][name][: len(array)], array)


def test_most_scenes_share_a_record_type():
    """Every other one costs a compilation."""
    assert len({scene_type([make_scene(6, index)]) for index in range(40)}) <= 2


def test_cuda_without_numba_cuda_is_refused_in_words(monkeypatch):
    monkeypatch.setattr(raycast, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"ilrm\[cuda\]"):
        training_scene(0, 0, Shooting(1, 8, 8), device=torch.device("cuda"))


def compiled_ptx() -> str:
    """Compile the whole kernel for Hopper, without a GPU."""
    import numba
    from numba import cuda, types

    from ilrm_cli.data.synthetic.raycaster.raycast_cuda import cast, pack
    from ilrm_cli.data.synthetic.raycaster.tiling import TILE

    scene = make_scene(0, 0)
    cameras = draw_cameras(scene, np.random.default_rng(0), 1, 16, 16, "sweep")
    _, scene_rows, _, view_rows = pack([(scene, cameras)])
    records = [types.Array(numba.from_dtype(rows), 1, "C") for rows in (scene_rows, view_rows)]
    texels, image, depth = (
        types.Array(kind, n, "C") for kind, n in ((types.uint8, 3), (types.float32, 4), (types.float32, 3))
    )
    arguments = (*records, texels, types.int32, image, depth)
    with mock.patch("numba.cuda.dispatcher.get_current_device") as device:  # asked even when the target is named
        device.return_value.compute_capability = HOPPER
        options = {"cc": HOPPER, "device": False, "abi": "numba", "fastmath": True, "launch_bounds": TILE * TILE}
        return cuda.compile(inspect.unwrap(cast), arguments, **options)[0]


@needs_numba_cuda
def test_every_kernel_that_casts_rays_compiles_for_cuda(tmp_path):
    """In float32, as one function; where CUDA's assembler is at hand, without spilling registers."""
    ptx = compiled_ptx()
    assert ".f64" not in ptx
    assert "call" not in ptx
    if not shutil.which("ptxas"):
        return
    (tmp_path / "cast.ptx").write_text(ptx)
    command = ["ptxas", "-v", "-arch=sm_90", str(tmp_path / "cast.ptx"), "-o", str(tmp_path / "cast.cubin")]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    assert "0 bytes spill stores" in said, said


@pytest.mark.gpu
@needs_numba_cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("kind", KINDS)
def test_gpu_draws_what_the_cpu_draws(kind):
    scene = make_scene(3, 1, kind=kind)
    rng = np.random.default_rng(0)
    cameras = next(c for _ in range(20) if (c := draw_cameras(scene, rng, 4, 100, 72)) is not None)
    wanted, wanted_depth = render_scene(scene, cameras, 4)
    images, depth = (tensor.cpu() for tensor in render_scene(scene, cameras, 4, device=torch.device("cuda")))
    colour = float(((images - wanted).abs().amax(1) < SAME_COLOUR).float().mean())
    depth = float(((depth / wanted_depth - 1).abs() < SAME_DEPTH).float().mean())
    assert min(colour, depth) > SAME_SHARE, f"share of equal pixels: colour {colour:.4f}, depth {depth:.4f}"


@pytest.mark.gpu
@needs_numba_cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_scenes_of_one_launch_are_those_of_many_and_fast(capsys):
    cuda = torch.device("cuda")
    numbers = [3, 1, 4, 15, 9, 2, 6, 5]
    together = training_scenes(7, numbers, Shooting(8, 256, 256), device=cuda)
    for index, scene in zip(numbers[:3], together, strict=False):
        alone = training_scene(7, index, Shooting(8, 256, 256), device=cuda)
        off = (alone.views.images - scene.views.images).abs()
        assert (off < SAME_COLOUR).float().mean() > SAME_SHARE
        assert ((alone.depth / scene.depth - 1).abs() < SAME_DEPTH).float().mean() > SAME_SHARE
    jobs = [plan_scene(7, index, Shooting(8, 256, 256))[:2] for index in numbers]
    for count in (1, len(jobs)):
        for _ in range(2):
            render_scenes(jobs[:count], device=cuda)
        torch.cuda.synchronize()
        start, begin, end = time.perf_counter(), torch.cuda.Event(enable_timing=True), torch.cuda.Event(True)
        begin.record()
        for _ in range(10):
            render_scenes(jobs[:count], device=cuda)
        end.record()
        called = time.perf_counter() - start
        torch.cuda.synchronize()
        took = time.perf_counter() - start
        with capsys.disabled():
            sys.stdout.write(
                f"\n{count} scenes a launch: {10 * 8 * count / took:.0f} views/s at 256 x 256, 4 samples; per scene "
                f"{1e2 * took / count:.2f} ms, of which the caller waits {1e2 * called / count:.2f} ms "
                f"(GPU {begin.elapsed_time(end) / 10 / count:.2f} ms)\n"
            )
    assert 8 * 10 * len(jobs) / took > 2000
