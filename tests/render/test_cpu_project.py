"""Projection and colours of the CPU renderer equal gsplat's plain-torch reference functions."""

import numpy as np
import pytest
import torch

from ilrm_cli.render.cpu import arrays as layout
from ilrm_cli.render.cpu.project import project
from ilrm_cli.render.cpu.rasterizer import camera_rows
from tests.support.gaussian_scenes import random_gaussians, tilted_camera

reference = pytest.importorskip("gsplat.cuda._torch_impl")


@pytest.mark.parametrize("sh_degree", [0, 1, 2, 3])
def test_projection_and_harmonics_equal_gsplats(sh_degree: int):
    scene, camera = random_gaussians(500, sh_degree, scale=0.05), tilted_camera(320, 240)
    records, ids = np.zeros((500, layout.RECORD_COLUMNS), np.float32), np.zeros(500, np.int32)
    tiles, visible = np.zeros((500, 4), np.int16), np.zeros(1, np.int64)
    arrays = [getattr(scene, n).float().numpy() for n in ("means", "quaternions", "scales", "opacities", "harmonics")]
    project(0, 500, 500, *arrays, camera_rows(camera, 0.01)[0], 320, 240, records, ids, tiles, visible)
    seen, ours = torch.from_numpy(ids[: visible[0]]).long(), torch.from_numpy(records[: visible[0]])
    assert 100 < len(seen) < 500

    scene, camera = scene.to(torch.float32), camera.to(torch.float32)
    covariances, _ = reference._quat_scale_to_covar_preci(scene.quaternions, scene.scales, compute_preci=False)
    radii, means, depths, conics, _ = reference._fully_fused_projection(
        scene.means, covariances, camera.cam_from_world, camera.intrinsics_px, 320, 240
    )
    shown = (radii[0] > 0).all(-1)
    assert shown[seen].all()
    assert_relative(ours[:, [layout.MEAN_X, layout.MEAN_Y]], means[0, seen])
    assert_relative(ours[:, layout.DEPTH], depths[0, seen])
    scaled = ours[:, [layout.XX, layout.XY, layout.YY]] * torch.tensor([2.0, 1.0, 2.0]) / float(layout.LOG2_E)
    assert_relative(scaled, conics[0, seen])
    colors = reference._spherical_harmonics(sh_degree, scene.means - camera.positions, scene.harmonics)
    assert_relative(ours[:, [layout.RED, layout.GREEN, layout.BLUE]], (colors + 0.5).clamp_min(0)[seen])


def assert_relative(ours: torch.Tensor, expected: torch.Tensor) -> None:
    """Check that values equal to 1e-5 of the largest number of each row."""
    ours, expected = ours.reshape(len(ours), -1), expected.reshape(len(expected), -1)
    error = (ours - expected).abs().amax(1) / expected.abs().amax(1).clamp_min(1e-3)
    assert error.max() < 1e-5, f"relative error {error.max()}"
