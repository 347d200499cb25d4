"""The procedural hold-out is the same each time it is made, and training keeps away from it."""

import torch

from ilrm_cli.capture.load_views import visible_depths
from ilrm_cli.data.holdout import HOLDOUT_INPUTS, HOLDOUT_TARGETS, holdout_scene


def test_a_scene_is_always_the_same():
    one, two = (holdout_scene(4, 32, 8) for _ in range(2))
    assert torch.equal(one.rendered.images, two.rendered.images)
    assert (one.points == two.points).all()
    assert len(one) == HOLDOUT_INPUTS + HOLDOUT_TARGETS
    views = one.views([0, 5], 24, 32)
    assert torch.equal(views.images[1], two.rendered.images[5])


def test_its_points_lie_in_front_of_its_cameras():
    scene = holdout_scene(0, 32, 8)
    depths = visible_depths(torch.from_numpy(scene.points), scene.rendered.cameras)
    assert len(scene.points) > 50
    assert len(depths) >= 2 * len(scene.points)  # each is seen by at least two views
