"""Morphable heads: closed surfaces, moved by codes, with positions that cameras agree on."""

import json

import numpy as np
import pytest
import torch

from ilrm_cli.data.synthetic.heads.config import SHAPES, HeadOrder, PositionNoise
from ilrm_cli.data.synthetic.heads.folders import check_heads, film, write_heads
from ilrm_cli.data.synthetic.heads.shape import morphable_head, sphere
from ilrm_cli.data.synthetic.heads.views import cameras_before, drawn_code, photographed, priors_of
from ilrm_cli.runtime.errors import InputError
from tests.support.command_line import ilrm
from tests.support.heads import small_head
from tests.support.opened import gathered


def test_the_sphere_is_round_closed_and_turned_outward():
    vertices, triangles = sphere()
    assert (len(vertices), len(triangles)) == (10 * 4**5 + 2, 20 * 4**5)
    torch.testing.assert_close(vertices.norm(dim=-1), torch.ones(len(vertices)))
    mesh = morphable_head(0, 0).shown(torch.zeros(len(SHAPES)))
    assert mesh.is_closed()
    assert mesh.volume > 0


@pytest.mark.parametrize("number", range(3))
def test_heads_fit_into_the_frame_of_the_cameras(number):
    head = morphable_head(1, number)
    for code in (torch.zeros(len(SHAPES)), torch.ones(len(SHAPES))):
        mesh = head.shown(code)
        assert 0.8 < float(mesh.vertices.norm(dim=-1).max()) < 1.3
        assert ((mesh.colors >= 0) & (mesh.colors <= 1)).all()


def test_expressions_are_sums_of_blendshapes():
    head = morphable_head(0, 1)
    one, other = torch.eye(len(SHAPES))[0], torch.eye(len(SHAPES))[3]
    rest = head.shown(torch.zeros(len(SHAPES))).vertices
    both = head.shown(one + 0.5 * other).vertices - rest
    apart = (head.shown(one).vertices - rest) + 0.5 * (head.shown(other).vertices - rest)
    torch.testing.assert_close(both, apart, atol=1e-6, rtol=0)


@pytest.mark.parametrize("shape", range(len(SHAPES)))
def test_every_blendshape_is_seen_and_leaves_the_back_alone(shape):
    rng = np.random.default_rng(0)
    head = morphable_head(0, 2)
    mesh = head.shown(torch.eye(len(SHAPES))[shape])
    rest = head.shown(torch.zeros(len(SHAPES)))
    moved = (mesh.vertices - rest.vertices).norm(dim=-1)
    assert moved.max() > 0.02
    assert moved[rest.vertices[:, 1] < -0.3].max() < 0.01
    cameras = cameras_before(rng, 4, 32, 32)
    codes = torch.stack([torch.zeros(len(SHAPES)), torch.eye(len(SHAPES))[shape]])
    pictures = [photographed(head, cameras, code.expand(4, -1)).views.images for code in codes]
    assert (pictures[0] - pictures[1]).abs().max() > 0.05


def test_positions_are_those_of_the_surface():
    """What one camera sees at a pixel lies at that pixel, on the same surface that another camera sees."""
    rng = np.random.default_rng(0)
    cameras = cameras_before(rng, 3, 64, 64)
    made = photographed(morphable_head(0, 0), cameras, drawn_code(rng).expand(3, -1))
    mesh = morphable_head(0, 0).shown(made.codes[0])
    for view in range(3):
        seen = made.coverage[view] > 0
        points = made.positions[view][seen]
        pixels = cameras[[view]].project(points).pixels[0]
        rows, columns = seen.nonzero(as_tuple=True)
        torch.testing.assert_close(pixels, torch.stack([columns, rows], -1) + 0.5, atol=1e-3, rtol=0)
        assert torch.cdist(points, mesh.vertices).amin(1).max() < 0.06, "neighbouring vertices are 0.04 to 0.1 apart"
    assert (made.positions[made.coverage == 0] == 0).all()


def test_noise_is_as_large_as_asked_and_lowers_confidence():
    rng = np.random.default_rng(0)
    made = photographed(morphable_head(0, 0), cameras_before(rng, 4, 64, 64), torch.zeros(4, len(SHAPES)))
    seen = made.coverage > 0
    exact = priors_of(made, torch.zeros(len(SHAPES)), PositionNoise(0.0, 0.0), rng)
    torch.testing.assert_close(exact.positions, made.positions, atol=0, rtol=0)
    torch.testing.assert_close(exact.confidence, made.coverage)
    noisy = priors_of(made, torch.zeros(len(SHAPES)), PositionNoise(0.02, 0.0), rng)
    off = (noisy.positions - made.positions)[seen]
    assert float(off.std()) == pytest.approx(0.02, rel=0.05)
    sure = noisy.confidence[seen] > noisy.confidence[seen].median()
    assert off[sure].norm(dim=-1).mean() < off[~sure].norm(dim=-1).mean()


def test_a_head_on_disk_has_the_cameras_it_was_seen_by(tmp_path):
    folder = small_head(tmp_path / "heads")
    capture = gathered(folder)
    assert (capture.origin, len(capture.photos)) == ("transforms", 4)
    head = json.loads((folder / "head.json").read_text())
    for entry, photo in zip(head["photos"], capture.photos, strict=True):
        positions = torch.from_numpy(np.load(folder / entry["positions"])).double()
        known = torch.from_numpy(np.load(folder / entry["confidence"])) > 0.8
        cam_from_world = torch.linalg.inv(torch.from_numpy(photo.world_from_cam))
        local = positions[known] @ cam_from_world[:3, :3].T + cam_from_world[:3, 3]
        fx, fy, cx, cy = photo.lens.params
        found = torch.stack([local[:, 0] / local[:, 2] * fx + cx, local[:, 1] / local[:, 2] * fy + cy], -1)
        rows, columns = known.nonzero(as_tuple=True)
        off = (found - torch.stack([columns, rows], -1) - 0.5).norm(dim=-1)
        assert off.mean() < 0.6, "0.04 radii, three deviations of the noise"


def test_the_command_writes_heads_and_refuses_what_is_for_scenes(tmp_path):
    done = ilrm("synth", tmp_path / "heads", "--heads", "-n", "2", "--size", "32", "--views", "3", "--json")
    assert done.status == 0, done.err
    assert [row["photos"] for row in done.json["scenes"]] == [3, 3]
    words = ("synth", tmp_path / "more", "--heads", "--kind", "room")
    assert "--kind is for scenes" in ilrm(*words).sentence
    for_people = ilrm("synth", tmp_path / "again", "--heads", "-n", "1", "--size", "32")
    assert "ilrm animate" in for_people.out


def test_only_heads_of_ours_are_replaced(tmp_path):
    order = HeadOrder(1, width=32, height=32)
    folder = next(write_heads(tmp_path / "heads", order)).folder
    check_heads(tmp_path / "heads", order, overwrite=True)
    (folder / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="not a scene written by ilrm"):
        check_heads(tmp_path / "heads", order, overwrite=True)


def test_in_the_film_each_blendshape_comes_and_goes():
    frames = film()
    assert ((frames > 0).sum(1) <= 1).all()
    torch.testing.assert_close(frames.amax(0), torch.ones(len(SHAPES)))
