"""True surfaces of scans and what lies beside them in published benchmarks, and COLMAP's mesh of sparse points."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from plyfile import PlyData, PlyElement

from ilrm_cli.evaluate.surface_scores import compared, compared_mesh
from ilrm_cli.evaluate.surfaces import ETH3D_M, normals, poisson_mesh, scanned
from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.geometry.harmonics import fibonacci_sphere
from ilrm_cli.geometry.meshes import Mesh
from ilrm_cli.geometry.transforms import Similarity
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.scene.formats.mesh import encode_mesh
from ilrm_cli.scene.formats.scans import CropVolume
from tests.support.shelled import around

SAME = Similarity.identity()
MATRIX = "0 -2 0 1\n2 0 0 0\n0 0 2 3\n0 0 0 1\n"  # twice as large, turned about z, shifted
CROP = {
    "class_name": "SelectionPolygonVolume", "orthogonal_axis": "Z", "axis_min": -9, "axis_max": 9,
    "bounding_polygon": [[0, 0, 0], [0.5, 0, 0], [0.5, 1, 0], [0, 1, 0]],
}  # fmt: skip


@pytest.fixture
def few_samples(monkeypatch):
    monkeypatch.setattr("ilrm_cli.evaluate.surface_scores.MOST_SAMPLES", 10_000)


def square(file: Path) -> Path:
    """Write the unit square in z = 0 as a mesh."""
    corners = torch.tensor([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]])
    mesh = Mesh.from_triangles(corners, torch.tensor([[0, 1, 2], [0, 2, 3]]))
    file.write_bytes(encode_mesh(mesh, ".ply"))
    return file


@pytest.mark.usefixtures("few_samples")
def test_a_scan_of_tanks_and_temples_is_aligned_and_cut_to_the_part_that_counts(tmp_path):
    scan = square(tmp_path / "Ignatius.ply")
    (tmp_path / "Ignatius.json").write_text(json.dumps(CROP))
    other = scanned(scan, SAME, around(3))
    assert (other.part, other.tolerances) == (None, ()), "without an alignment, it is any other file"
    (tmp_path / "Ignatius_trans.txt").write_text(MATRIX)  # leads from the poses to the scan
    truth = scanned(scan, SAME, around(3))
    # Of the scan x is in [0, 0.5], y in [0, 1], z is 0; in the frame of the poses y = (1 - x) / 2, x = y / 2.
    assert truth.points.amin(0).tolist() == pytest.approx([0, 0.25, -1.5], abs=0.01)
    assert truth.points.amax(0).tolist() == pytest.approx([0.5, 0.5, -1.5], abs=0.01)
    assert truth.tolerances == (pytest.approx(0.003 / 2),)
    inside, outside = torch.tensor([[0.2, 0.3, -1.5]]), torch.tensor([[0.2, 0.2499, -1.5]])
    assert (len(truth.counted(inside)), len(truth.counted(outside))) == (1, 0), "though it is within the tolerance"
    found = compared(truth.points, truth)
    assert found.f_score == 1.0
    assert found.size == pytest.approx(math.hypot(0.5, 1.0), rel=0.01), "in the unit of the scan"
    assert found.threshold * found.size == pytest.approx(0.003)
    assert scanned(scan, SAME, around(3), tolerance=0.05).tolerances == (pytest.approx(0.025),)


@pytest.mark.usefixtures("few_samples")
def test_scans_of_eth3d_are_put_together(tmp_path):
    square(tmp_path / "scan1.ply"), square(tmp_path / "scan2.ply")
    matrices = ("1 0 0 0\n0 1 0 0\n0 0 1 0\n0 0 0 1", "1 0 0 2\n0 1 0 0\n0 0 1 0.5\n0 0 0 1")
    entries = [
        f'<MLMesh label="s" filename="scan{i}.ply"><MLMatrix44>\n{rows}\n</MLMatrix44></MLMesh>'
        for i, rows in enumerate(matrices, 1)
    ]
    project = tmp_path / "scan_alignment.mlp"
    project.write_text(
        f"<!DOCTYPE MeshLabDocument><MeshLabProject><MeshGroup>{''.join(entries)}</MeshGroup></MeshLabProject>"
    )
    truth = scanned(project, SAME, around(3))
    assert truth.points.amax(0).tolist() == pytest.approx([3, 1, 0.5], abs=0.01)
    assert truth.tolerances == ETH3D_M
    found = compared(truth.points + torch.tensor([0.0, 0.0, 0.03]), truth)
    at = {round(one.threshold * found.size, 4): one.precision for one in found.curve}
    assert (at[0.01], at[0.02], at[0.05]) == (0.0, 0.0, 1.0)
    assert found.precision == 0.0


@pytest.mark.usefixtures("few_samples")
@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("Barn_trans.txt", "1 0 0\n0 1 0"),
        ("Barn_trans.txt", "1 0 0 0\n0 2 0 0\n0 0 1 0\n0 0 0 1"),
        ("Barn_trans.txt", "a b c d"),
        ("Barn.json", "{}"),
        ("Barn.json", json.dumps(CROP | {"orthogonal_axis": "W"})),
        ("Barn.json", json.dumps(CROP | {"bounding_polygon": [[1, 2]]})),
        ("scan_alignment.mlp", "<MeshLabProject/>"),
        ("scan_alignment.mlp", "no xml"),
        ("scan_alignment.mlp", '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'),
        ("scan_alignment.mlp", '<a><MLMesh filename="none.ply"><MLMatrix44>1 2 3</MLMatrix44></MLMesh></a>'),
    ],
)
def test_what_lies_beside_a_scan_and_is_damaged_is_one_sentence(tmp_path, name, content):
    scan = square(tmp_path / "Barn.ply")
    (tmp_path / "Barn_trans.txt").write_text(MATRIX)
    (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=f"{name}: cannot be read as"):
        scanned(tmp_path / name if name.endswith(".mlp") else scan, SAME, around(3))


@pytest.mark.usefixtures("few_samples")
@pytest.mark.parametrize("kind", ["mesh", "points"])
def test_a_fine_tolerance_does_not_make_a_perfect_surface_wrong(tmp_path, kind):
    near = 0.004  # within it a place of the square has 0.5 of 10,000 points: most would have none
    scan = square(tmp_path / "scan.ply")
    if kind == "points":
        places = torch.rand(400_000, 3, generator=torch.Generator().manual_seed(3)).double() ** 1.5
        places[:, 2] = 0.0
        cloud = np.empty(len(places), [(axis, "f4") for axis in "xyz"])
        for axis, column in zip("xyz", places.T.numpy(), strict=True):
            cloud[axis] = column
        PlyData([PlyElement.describe(cloud, "vertex")]).write(str(scan))
    truth = scanned(scan, SAME, around(3), tolerance=near)
    cells = (truth.points / (near / 2)).floor().unique(dim=0)
    assert kind == "mesh" or len(cells) == pytest.approx(len(truth.points), rel=0.1), "one of a cube, or nearly so"
    corners = torch.tensor([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]])
    found = compared_mesh(Mesh.from_triangles(corners, torch.tensor([[0, 1, 2], [0, 2, 3]])), truth)
    assert (found.precision, found.recall) == (pytest.approx(1, abs=0.01), pytest.approx(1, abs=0.01))
    assert found.f_score >= 0.99


def test_a_mesh_is_compared_without_its_places_that_are_no_numbers(tmp_path):
    corners = torch.tensor([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [torch.nan, 5, 0]])
    triangles = torch.tensor([[0, 1, 2], [0, 2, 3], [2, 4, 3]])
    (tmp_path / "scan.ply").write_bytes(encode_mesh(Mesh.from_triangles(corners, triangles), ".ply"))
    truth = scanned(tmp_path / "scan.ply", SAME, around(3))
    assert truth.points.amin(0).tolist() == pytest.approx([0, 0, 0], abs=0.02)
    assert truth.points.amax(0).tolist() == pytest.approx([1, 1, 0], abs=0.02)
    (tmp_path / "scan.ply").write_bytes(encode_mesh(Mesh.from_triangles(corners, triangles[2:]), ".ply"))
    with pytest.raises(InputError, match="holds 0 points that count"):
        scanned(tmp_path / "scan.ply", SAME, around(3))


@pytest.mark.usefixtures("few_samples")
def test_a_tolerance_for_which_memory_is_too_small_is_one_sentence(tmp_path):
    with pytest.raises(InputError, match="GB can be used; give a larger --tolerance"):
        scanned(square(tmp_path / "scan.ply"), SAME, around(3), tolerance=1e-7)


def test_a_part_may_have_a_notch():
    corners = torch.tensor([[0.0, 0], [2, 0], [2, 2], [1, 1], [0, 2]])
    volume = CropVolume(axis=1, least=0.0, most=1.0, polygon=corners)  # of x and z
    points = torch.tensor([[1.0, 0.5, 0.5], [1.0, 0.5, 1.5], [0.2, 0.5, 1.5], [1.0, 1.5, 0.5], [-1.0, 0.5, 0.5]])
    assert volume.holds(points).tolist() == [True, False, True, False, False]


def test_a_scan_is_read_in_the_frame_of_the_views(tmp_path):
    triangles = torch.tensor([[0, 1, 2], [0, 2, 3]])
    square = Mesh.from_triangles(torch.tensor([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]]), triangles)
    (tmp_path / "scan.ply").write_bytes(encode_mesh(square, ".ply"))
    doubled = Similarity(2.0, torch.eye(3).double(), torch.tensor([0.0, 0.0, 5.0]).double())
    truth = scanned(tmp_path / "scan.ply", doubled, around(3))
    assert truth.points.amin(0).tolist() == pytest.approx([0, 0, 5], abs=0.02)
    assert truth.points.amax(0).tolist() == pytest.approx([2, 2, 5], abs=0.02)


@pytest.mark.parametrize("content", [b"", b"ply\nformat ascii 1.0\nend_header\n", b"\x89PNG....", b"ply\nformat asc"])
def test_what_is_no_scan_is_one_sentence(tmp_path, content):
    (tmp_path / "scan.ply").write_bytes(content)
    with pytest.raises(InputError, match="cannot be read as a"):
        scanned(tmp_path / "scan.ply", SAME, around(3))


def test_points_on_a_ball_become_a_ball():
    ball = fibonacci_sphere(600, torch.zeros(1)).double().numpy()
    eyes = torch.eye(4).repeat(6, 1, 1)
    eyes[:, :3, 3] = 4 * torch.cat([torch.eye(3), -torch.eye(3)])
    cameras = Cameras(eyes, torch.full((6, 2), 64.0), torch.full((6, 2), 32.0), 64, 64)
    assert (normals(ball, cameras) * ball).sum(1).min() > 0.95
    mesh = poisson_mesh(ball, cameras)
    assert float(mesh.areas.sum()) == pytest.approx(4 * np.pi, rel=0.08)
    assert poisson_mesh(ball[:20], cameras) is None
