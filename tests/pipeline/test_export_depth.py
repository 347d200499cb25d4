"""Depth maps as files: a sphere's depth is that of a sphere, in every form in which it is written."""

import io
import json

import numpy as np
import pytest
import torch
import trimesh
from PIL import Image

from ilrm_cli.geometry.meshes import PointCloud
from ilrm_cli.pipeline.export_depth import write_depth
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.scene.files import encode_scene
from ilrm_cli.scene.formats import scans
from ilrm_cli.scene.formats.scans import encode_laz
from ilrm_cli.scene.formats.scene_file import SceneFile
from tests.support.command_line import ilrm
from tests.support.shelled import around, scene_of, sphere

SIDE = 96


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    cameras = around(5, side_px=SIDE, focal_px=110.0)
    return scene_of(sphere(3000), cameras, tmp_path_factory.mktemp("sphere") / "scene.ply")


@pytest.fixture(scope="module")
def written(scene):
    folder = scene.with_name("depth")
    outcome = ilrm("export", scene, "-o", folder, "--json")
    assert outcome.status == 0, outcome.err
    return folder, outcome.json, json.loads((folder / "depth.json").read_text())


def sphere_depth(frame: dict) -> np.ndarray:
    """Return the depth of the unit sphere at each pixel, NaN beside it."""
    pose, side, focal_px = np.array(frame["world_from_cam"]), frame["width"], frame["focal_px"][0]
    x, y = np.meshgrid(np.arange(side) + 0.5, np.arange(side) + 0.5)
    ray = np.stack([(x - side / 2) / focal_px, (y - side / 2) / focal_px, np.ones_like(x)], -1) @ pose[:3, :3].T
    a, b, c = (ray**2).sum(-1), ray @ pose[:3, 3], (pose[:3, 3] ** 2).sum() - 1
    with np.errstate(invalid="ignore"):
        return (-b - np.sqrt(b * b - a * c)) / a


def test_depth_is_that_of_the_sphere_and_unknown_beside_it(written):
    folder, told, index = written
    assert told["views"] == len(index["frames"]) == 5
    for frame in index["frames"]:
        depth, truth = np.load(folder / frame["files"][1]), sphere_depth(frame)
        both = np.isfinite(depth) & np.isfinite(truth)
        assert np.abs(depth - truth)[both].mean() < 0.01
        assert both.sum() > 0.9 * np.isfinite(truth).sum()
        assert (np.isfinite(depth) & ~np.isfinite(truth)).mean() < 0.04  # less than a pixel along the rim
    assert told["known"] == pytest.approx(np.isfinite(truth).mean(), abs=0.05)


def test_sixteen_bit_pictures_hold_the_same_depth(written):
    folder, _, index = written
    for frame in index["frames"]:
        with Image.open(folder / frame["files"][0]) as picture:
            steps = np.array(picture)
        depth = np.load(folder / frame["files"][1])
        known = np.isfinite(depth)
        assert (steps[~known] == 0).all()
        assert np.abs(steps[known] * index["depth_unit"] - depth[known]).max() <= index["depth_unit"]
    assert steps.max() > 30_000


def test_open_exr_holds_the_same_depth(written):
    import OpenEXR

    folder, _, index = written
    for frame in index["frames"]:
        depth = np.load(folder / frame["files"][1])
        with OpenEXR.File(str(folder / frame["files"][4])) as file:
            z = file.channels()["Z"].pixels
        assert np.array_equal(np.where(np.isnan(depth), np.inf, depth), z)


def test_a_cloud_far_from_the_origin_keeps_its_places_and_colours_as_laz():
    import laspy

    points, colors = torch.rand(500, 3) * torch.tensor([80.0, 3.0, 0.5]) - 1, torch.rand(500, 3)
    origin = (412_345.25, 5_651_000.5, 80.0)
    encoded = encode_laz(PointCloud(points, torch.zeros(500, 3), colors), origin)
    las = laspy.read(io.BytesIO(encoded))
    assert np.abs(las.xyz - (points.double().numpy() + np.array(origin))).max() < 1e-6
    shades = np.stack([las.red, las.green, las.blue], -1)
    assert np.abs(shades / 65_535 - colors.numpy()).max() < 1e-5


def test_laz_and_ply_hold_the_same_points(written):
    import laspy

    folder, told, _ = written
    las, ply = laspy.read(folder / "points.laz"), trimesh.load(folder / "points.ply")
    assert len(las.xyz) == told["points"] > 100
    assert np.abs(np.asarray(las.xyz) - ply.vertices).max() < 1e-6


def test_without_their_libraries_both_are_left_out(scene, tmp_path, monkeypatch):
    monkeypatch.setattr(scans, "find_spec", lambda name: None)
    write_depth(scene, tmp_path / "plain")
    assert not [path for path in (tmp_path / "plain").iterdir() if path.suffix in (".exr", ".laz")]


def test_normals_and_trust_are_those_of_the_sphere(written):
    folder, _, index = written
    frame = index["frames"][0]
    depth = np.load(folder / frame["files"][1])
    normal = np.array(Image.open(folder / frame["files"][2])) / 127.5 - 1
    trust = np.array(Image.open(folder / frame["files"][3])) / 255
    toward = np.array(frame["world_from_cam"])[:3, 3]
    middle = np.s_[SIDE // 2 - 4 : SIDE // 2 + 4, SIDE // 2 - 4 : SIDE // 2 + 4]
    assert normal[middle].mean((0, 1)) @ toward / np.linalg.norm(toward) > 0.95
    assert trust[middle].mean() > 0.9
    assert (trust[~np.isfinite(depth)] == 0).all()


def test_the_cloud_covers_the_sphere_once(written):
    folder, told, _ = written
    cloud = trimesh.load(folder / "points.ply")
    radius = np.linalg.norm(cloud.vertices, axis=1)
    assert len(radius) == told["points"] > 3000
    assert np.abs(radius - 1).mean() < 0.01
    colors = (
        np.asarray(cloud.visual.vertex_colors)[:, :3] / 255 if hasattr(cloud, "visual") else cloud.colors[:, :3] / 255
    )
    assert np.abs(colors - (cloud.vertices * 0.4 + 0.5)).mean() < 0.03


def test_the_folder_is_replaced_only_if_asked_and_only_if_it_is_ours(scene, written, tmp_path):
    folder = written[0]
    assert "pass -w" in ilrm("export", scene, "-o", folder).sentence
    assert "leave it out" in ilrm("export", scene, "-o", folder, "-w", "--device", "cpu").sentence
    assert ilrm("export", scene, "-o", folder, "-w").status == 0
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "photo.jpg").write_bytes(b"precious")
    assert "more than depth maps" in ilrm("export", scene, "-o", tmp_path / "mine", "-w").sentence
    (tmp_path / "mine" / "depth.json").write_text("{}")
    assert "more than depth maps" in ilrm("export", scene, "-o", tmp_path / "mine", "-w").sentence
    assert (tmp_path / "mine" / "photo.jpg").read_bytes() == b"precious"
    assert "is a file" in ilrm("export", scene, "-o", _file(tmp_path / "note"), "-w").sentence


def _file(path):
    path.write_text("a note")
    return path


def test_a_scene_without_cameras_has_no_depth_maps(tmp_path):
    bare = tmp_path / "bare.ply"
    bare.write_bytes(encode_scene(SceneFile(sphere(50)), ".ply"))
    with pytest.raises(InputError, match="has no cameras"):
        write_depth(bare, tmp_path / "depth")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bare.ply"]
