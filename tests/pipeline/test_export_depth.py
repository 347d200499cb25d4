"""Depth maps as files: a sphere's depth is that of a sphere, in every form in which it is written."""

import json

import numpy as np
import pytest
import trimesh
from PIL import Image

from ilrm_cli.pipeline.export_depth import write_depth
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.scene.files import encode_scene
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
    assert "other things than depth maps" in ilrm("export", scene, "-o", tmp_path / "mine", "-w").sentence
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
