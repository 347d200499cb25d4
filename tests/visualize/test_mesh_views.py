"""The mesh in a report: a ball from where photos were taken."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import trimesh

from ilrm_cli.geometry.meshes import Mesh
from ilrm_cli.scene.record import read_record
from ilrm_cli.visualize.report.html import encode_html
from ilrm_cli.visualize.report.mesh_views import MOST_SHOWN, mesh_views
from tests.support.shelled import around, scene_of, sphere

RED = (0.8, 0.2, 0.2)


@pytest.fixture(scope="module")
def ball():
    made = trimesh.creation.icosphere(subdivisions=4)
    mesh = Mesh.from_triangles(torch.from_numpy(made.vertices).float(), torch.from_numpy(made.faces).long())
    return replace(mesh, colors=torch.tensor(RED).repeat(len(mesh.vertices), 1))


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    file = scene_of(sphere(500), around(6, side_px=96, focal_px=110.0), tmp_path_factory.mktemp("ball") / "s.ply")
    made = read_record(file.with_suffix(".json"))
    return replace(made, views=tuple(view for view in made.views if view.role == "input"))


def test_a_ball_is_red_and_its_relief_fades_towards_its_edge(ball, record):
    view, *_ = mesh_views(ball, record)
    assert view.color[48, 48] == pytest.approx(np.array(RED) * 255, abs=2)
    assert (view.color[0, 0] == 255).all()  # nothing is there
    middle = view.relief[48, :, 0].astype(int)
    assert middle[48] > 240
    inside = np.flatnonzero(view.color[48, :, 1] < 200)  # red, not white
    left, right = inside[[0, -1]]
    assert max(middle[left + 1], middle[right - 1]) < 140
    assert (np.diff(middle[left + 1 : 48]) >= -1).all()


def test_held_out_places_come_first_and_few_are_shown(ball, record):
    assert [view.name for view in mesh_views(ball, record)] == [record.views[i].name for i in (0, 2, 4)]
    one = replace(record.views[3], role="held_out")
    some = replace(record, views=(*record.views[:3], one, *record.views[4:]))
    assert [view.name for view in mesh_views(ball, some)] == [one.name]
    assert MOST_SHOWN == 3


def test_pictures_are_upright_as_the_photo_was(ball, record):
    half = ball.of_triangles(ball.vertices[ball.triangles].mean(1)[:, 2] > 0)
    flat = mesh_views(half, record)[0].color
    turned = replace(record, views=tuple(replace(view, quarter_turns=1) for view in record.views))
    assert (mesh_views(half, turned)[0].color == np.rot90(flat, -1)).all()
    assert not (flat == np.rot90(flat, -1)).all()


def test_the_page_shows_the_mesh_if_there_is_one(report, ball, record):
    assert "The mesh" not in encode_html(report).decode()
    shown = encode_html(replace(report, mesh=mesh_views(ball, record))).decode()
    assert shown.count(", the mesh's relief") == MOST_SHOWN
