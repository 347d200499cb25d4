"""Tests of the explanations for two records that differ."""

import math
from dataclasses import replace

import pytest
import torch

from ilrm_cli.geometry.transforms import Similarity
from ilrm_cli.geometry.views import LeftOut
from ilrm_cli.pipeline.replay_causes import COMPILED, UNEXPLAINED, causes
from ilrm_cli.scene.record import RecordedView, SceneRecord


def view(name: str, role: str = "input", x: float = 0.0, turned_rad: float = 0.0, sha256: str = "aa") -> RecordedView:
    cosine, sine = math.cos(turned_rad), math.sin(turned_rad)
    pose = ((cosine, -sine, 0.0, x), (sine, cosine, 0.0, 0.0), (0.0, 0.0, 1.0, 0.0), (0.0, 0.0, 0.0, 1.0))
    return RecordedView(name, role, sha256, pose, (60.0, 60.0), (32.0, 24.0), 64, 48)


RECORD = SceneRecord(
    views=(view("a.jpg"), view("b.jpg", x=2.0), view("c.jpg", "held_out", x=1.0)),
    model_from_world=Similarity(1.0, torch.eye(3).double(), torch.zeros(3).double()),
    model={"name": "default", "sha256": "ff"},
    seed=0,
    inputs_sha256="11",
    poses_sha256="33",
    machine={"device": "cpu", "threads": 2},
    versions={"torch": "2.1", "numpy": "2"},
    pose_card={"origin": "colmap"},
    left_out=(LeftOut("c.jpg", "it is held out to score the result"),),
)


def test_nothing_that_is_recorded_differs():
    assert causes(RECORD, RECORD) == (UNEXPLAINED,)


def test_no_record_tells_what_compiled_the_layers():
    compiled = replace(RECORD, settings={"compile": True})
    assert causes(compiled, compiled) == (COMPILED, UNEXPLAINED)
    assert causes(compiled, replace(compiled, ilrm="99"))[1:] == (COMPILED,)
    assert causes(replace(RECORD, settings={"compile": False}), RECORD) == (UNEXPLAINED,)


@pytest.mark.parametrize(
    ("change", "clause"),
    [
        ({"views": (view("a.jpg", sha256="bb"), *RECORD.views[1:])}, "1 photo has another content: a.jpg."),
        ({"views": RECORD.views[:2], "left_out": ()}, "1 photo is not there: c.jpg."),
        (
            {"views": (view("a.jpg", "held_out"), RECORD.views[1], view("c.jpg", x=1.0))},
            "2 photos play another part: a.jpg, c.jpg.",
        ),
        ({"views": (*RECORD.views[:2], view("c.jpg", "fitted", x=1.0))}, "1 photo plays another part: c.jpg."),
        ({"inputs_sha256": "22"}, "something was changed among the other photos, the masks or the files of poses."),
        ({"model": {"name": "mine", "sha256": "ee"}}, "the weights called mine are others."),
        ({"ilrm": "99"}, f"it was made by ilrm {RECORD.ilrm}; this is 99."),
        ({"versions": {"torch": "2.2", "numpy": "2"}}, "torch 2.1 then, 2.2 now."),
        (
            {"machine": {"device": "cuda", "threads": 2}},
            "it was computed on another machine: device cpu then, cuda now.",
        ),
    ],
)
def test_each_difference_is_told(change, clause):
    assert causes(RECORD, replace(RECORD, **change)) == (clause,)


def test_what_only_one_of_them_knows_is_no_difference():
    older = replace(RECORD, machine={}, versions={}, inputs_sha256=None, poses_sha256=None)
    assert causes(older, RECORD) == (UNEXPLAINED,)


@pytest.mark.parametrize(("origin", "source"), [("sfm", "structure from motion found other"), ("colmap", "the camera")])
def test_other_poses_are_measured(origin, source):
    moved = (view("a.jpg"), view("b.jpg", x=2.02, turned_rad=math.radians(1)), RECORD.views[2])
    (clause,) = causes(RECORD, replace(RECORD, views=moved, poses_sha256="44", pose_card={"origin": origin}))
    assert clause.startswith(source)
    assert "turned by up to 1 degrees, moved by up to 0.01 of the distance" in clause


def test_poses_that_differ_by_the_last_bits_may_be_why_other_inputs_were_chosen():
    views = (view("a.jpg", "held_out", x=1e-9), RECORD.views[1], view("c.jpg", x=1.0))
    made = replace(RECORD, views=views, poses_sha256="44", pose_card={"origin": "sfm"})
    assert causes(RECORD, made) == (
        "structure from motion found other camera poses, by the last bits; other inputs may be chosen.",
        "2 photos play another part: a.jpg, c.jpg.",
    )


def test_the_same_poses_seen_through_the_frame_of_other_inputs_are_no_difference():
    views = (view("a.jpg", x=1e-9), *RECORD.views[1:], view("d.jpg", "held_out"))
    assert causes(RECORD, replace(RECORD, views=views)) == ("1 photo plays another part: d.jpg.",)
