"""Meshes of scenes: solids made of Gaussians give back their area and volume, and closed ones are watertight."""

import math

import pytest
import torch
import trimesh

from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.geometry.harmonics import fibonacci_sphere
from ilrm_cli.pipeline import mesh as stage
from ilrm_cli.pipeline.mesh import MadeMesh, mesh_of, simplified, spread
from ilrm_cli.pipeline.settings import MeshSettings, crop_of
from ilrm_cli.runtime.errors import InputError
from tests.support.shelled import around, box, covered, patch, sphere

NEAR, WHITE = 0.01, torch.ones(3)


@pytest.fixture(autouse=True)
def small_maps(monkeypatch):
    """Draw depth at the size of the cameras here, not larger."""
    monkeypatch.setattr(stage, "LONG_SIDE_PX", 256)


def made(gaussians: Gaussians, cameras: Cameras, **chosen) -> MadeMesh:
    return mesh_of(gaussians, [cameras], NEAR, WHITE, MeshSettings(**{"resolution": 96, "faces": 0} | chosen))


def judged(result: MadeMesh) -> trimesh.Trimesh:
    """Return the mesh as another library has it."""
    return trimesh.Trimesh(result.mesh.vertices.numpy(), result.mesh.triangles.numpy(), process=False)


@pytest.mark.parametrize(("solid", "area", "volume"), [(sphere, 4 * math.pi, 4 * math.pi / 3), (box, 24.0, 8.0)])
def test_a_solid_gives_back_its_area_and_volume_and_is_watertight(solid, area, volume):
    result = made(solid(), around(), watertight=True)
    mesh = judged(result)
    assert mesh.is_watertight
    assert mesh.is_winding_consistent
    assert result.closed
    assert result.covered > 0.9, "all but the rims, where rays graze the surface"
    assert mesh.volume == pytest.approx(volume, rel=0.02)
    assert mesh.area == pytest.approx(area, rel=0.02)
    assert result.mesh.volume == pytest.approx(mesh.volume, rel=1e-4)


def test_a_plane_gives_back_its_area_and_stays_open():
    points, normals, spacing = patch(200)  # the discs at its edges stand out by half of this
    cameras = around()
    above = cameras[(cameras.positions[:, 2] > 1).nonzero()[:, 0]]
    result = made(covered(points, normals, spacing), above, resolution=256)  # its rim turns down by about a cell
    assert result.mesh.areas.sum().item() == pytest.approx(4.0, rel=0.02)
    assert result.mesh.vertices[:, 2].abs().max() < 0.03
    assert not result.closed
    assert (result.mesh.normals[:, 2] > 0.5).float().mean() > 0.95, "towards who sees it"


def test_colours_are_those_of_the_scene():
    result = made(sphere(), around(12), watertight=True, resolution=48)
    expected = torch.nn.functional.normalize(result.mesh.vertices, dim=1) * 0.4 + 0.5
    assert (result.mesh.colors - expected).abs().mean() < 0.02


def test_thinned_out_it_is_still_closed_and_of_its_volume():
    result = made(sphere(), around(), watertight=True, faces=3000)
    assert len(result.mesh.triangles) <= 3000 < result.found
    assert judged(result).is_watertight
    assert result.mesh.volume == pytest.approx(4 * math.pi / 3, rel=0.02)


def test_a_floater_is_dropped_and_a_box_crops(monkeypatch):
    monkeypatch.setattr(stage, "ISLAND", 0.002)
    small = sphere(400)
    away = Gaussians.concatenated(sphere(3000), _shrunk(small, 0.04, torch.tensor([0.9, 0.9, 0.9])))
    result = made(away, around(16), resolution=128)
    assert result.dropped > 0
    assert result.mesh.vertices.norm(dim=1).max() < 1.05
    half = made(sphere(2000), around(12), crop=(0, -2, -2, 2, 2, 2))
    assert half.mesh.vertices[:, 0].min() >= -1e-5
    assert half.outside == pytest.approx(0.5, abs=0.05)


def _faint(gaussians: Gaussians) -> Gaussians:
    means, quaternions, scales, opacities, harmonics = gaussians.tensors()
    return gaussians.rebuilt(means, quaternions, scales, opacities * 0.05, harmonics)


def _shrunk(gaussians: Gaussians, factor: float, shift: torch.Tensor) -> Gaussians:
    means, quaternions, scales, *rest = gaussians.tensors()
    return gaussians.rebuilt(means * factor + shift, quaternions, scales * factor, *rest)


def test_the_subject_is_what_the_cameras_look_at():
    floor, up, spacing = patch(60)
    scene = Gaussians.concatenated(sphere(2000), covered(floor * 8 - torch.tensor([0, 0, 1.0]), up, spacing * 8))
    seen, subject = (made(scene, around(12), crop=crop, resolution=40) for crop in ("seen", "subject"))
    assert subject.cell < 0.6 * seen.cell
    assert subject.outside > 0.1 > seen.outside


def test_without_a_resolution_cells_are_as_large_as_pixels():
    result = made(sphere(2000), around(6, side_px=64, focal_px=75.0), resolution=None)
    assert result.cell == pytest.approx(2.6 / 300, rel=0.1)  # their median depth over the focal length


def test_the_default_grid_is_coarser_where_memory_is_short_and_an_asked_one_is_refused(monkeypatch):
    monkeypatch.setattr(stage, "LONGEST_SIDE", 64)
    fine = made(sphere(2000), around(12), resolution=None)
    monkeypatch.setattr(stage, "free_bytes", lambda device: 5_000_000)
    coarse = made(sphere(2000), around(12), resolution=None)
    assert coarse.cell > fine.cell
    with pytest.raises(InputError, match=r"--resolution 300 takes .* GB of memory"):
        made(sphere(2000), around(12), resolution=300)


def test_a_backdrop_is_no_surface_even_where_it_fills_most_of_the_views():
    sky = Gaussians.isotropic(
        700 * fibonacci_sphere(1000, torch.zeros(1)), torch.full((1000,), 77.0), torch.zeros(1000, 3), 0.999
    )
    cameras = around(12, 6.0)  # the ball fills an eighth of their pictures
    result = made(Gaussians.concatenated(sphere(2000), sky), cameras)
    assert result.mesh.vertices.norm(dim=1).max() < 1.1
    assert result.outside < 0.01


def test_cameras_are_spread_over_their_order():
    assert len(spread(around(30), 96)) == 30
    few = spread(around(30), 4)
    assert torch.equal(few.positions[[0, -1]], around(30).positions[[0, -1]])
    assert len(few) == 4


def test_zero_faces_keep_all_triangles():
    result = made(sphere(2000), around(12))
    assert simplified(result.mesh, 0) is result.mesh
    assert len(result.mesh.triangles) == result.found


@pytest.mark.parametrize(
    ("gaussians", "cameras", "sentence"),
    [
        (lambda: sphere()[:0], around, "holds no Gaussians"),
        (sphere, lambda: around(1), "at least two cameras"),
        (lambda: _faint(sphere()), around, "no camera sees anything solid"),
    ],
)
def test_what_cannot_be_a_mesh_is_refused_in_one_sentence(gaussians, cameras, sentence):
    with pytest.raises(InputError, match=sentence):
        made(gaussians(), cameras())


@pytest.mark.parametrize("crop", ["everything", "1,2,3", "0,0,0,1,1,nan", "0,0,0,1,-1,1", "0,0,0,1,1,1e12"])
def test_a_box_is_two_corners(crop):
    with pytest.raises(InputError, match="--crop"):
        crop_of(crop)
    assert crop_of("-1,-2,-3,1,2,3") == (-1, -2, -3, 1, 2, 3)
