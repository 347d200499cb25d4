"""Tests of the distance between two versions of a scene."""

from dataclasses import replace

import pytest
import torch

from ilrm_cli.geometry.transforms import Similarity
from ilrm_cli.pipeline.replay import distance
from ilrm_cli.scene.record import SceneRecord, recorded_views
from tests.support.small_reconstruction import cameras, gaussians

RECORD = SceneRecord(
    views=recorded_views(["a", "b", "c", "d"], ["0"] * 4, cameras(), "input"),
    model_from_world=Similarity(1.0, torch.eye(3).double(), torch.zeros(3).double()),
    model={},
    seed=0,
)


def test_a_scene_is_no_distance_from_itself():
    apart = distance(gaussians(), gaussians(), RECORD)
    assert (apart.gaussians, apart.farthest_mean, apart.psnr) == ((300, 300), 0, 100)


def test_one_that_was_moved():
    scene = gaussians()
    means = scene.means.clone()
    means[7] += torch.tensor([0.0, 3.0, 4.0])
    apart = distance(scene, replace(scene, means=means), RECORD)
    assert apart.farthest_mean == pytest.approx(5, rel=1e-6)
    assert 20 < apart.psnr < 60


def test_of_other_counts_only_the_pictures_are_compared():
    scene = gaussians()
    apart = distance(scene, scene[:290], RECORD)
    assert apart.gaussians == (300, 290)
    assert apart.farthest_mean is None
    assert distance(scene, scene[:100], RECORD).psnr < apart.psnr < 100


def test_without_cameras_there_is_no_picture():
    assert distance(gaussians(), gaussians(), replace(RECORD, views=())).psnr is None
