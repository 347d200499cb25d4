"""Objects alone: the same for the same number, of one size, on white, and true to their depth."""

import torch

from ilrm_cli.data.synthetic.alone import BEHIND, object_views
from ilrm_cli.geometry.frames import ORBIT_RADIUS


def test_an_object_is_told_by_its_number():
    one, again, other = (object_views(5, index, 3, 24, 24) for index in (1, 1, 2))
    torch.testing.assert_close(one.views.images, again.views.images, rtol=0, atol=0)
    assert not torch.equal(one.views.images, other.views.images)


def test_it_is_seen_from_around_on_white():
    made = object_views(5, 3, 6, 32, 32)
    views = made.views
    torch.testing.assert_close(views.cameras.positions.norm(dim=-1), torch.full((6,), ORBIT_RADIUS))
    torch.testing.assert_close(views.cameras.project(torch.zeros(1, 3)).pixels[:, 0], torch.full((6, 2), 16.0))
    hollow = views.empty == 1
    assert 0.3 < hollow.float().mean() < 0.99
    assert (views.images.permute(0, 2, 3, 1)[hollow] == 1).all()
    seen = made.depth < BEHIND
    assert (made.depth[seen] >= ORBIT_RADIUS - 1).all()
    assert (made.depth[seen] <= ORBIT_RADIUS + 1).all()
    assert not (seen & hollow).any()


def test_depth_lies_on_what_other_views_see():
    """Points of one view fall on pixels of the next that show the object."""
    made = object_views(5, 4, 4, 48, 48)
    cameras = made.views.cameras
    row, column = (made.depth[0] < BEHIND).nonzero().unbind(-1)
    local = (torch.stack([column, row], -1) + 0.5 - cameras.center_px[0]) / cameras.focal_px[0]
    points = made.depth[0, row, column, None] * torch.cat([local, torch.ones_like(local[:, :1])], -1)
    world = points @ cameras.world_from_cam[0, :3, :3].T + cameras.positions[0]
    rows, columns = cameras[[1]].project(world).cells()
    hit = made.views.empty[1, rows[0], columns[0]] < 1
    assert hit.float().mean() > 0.9
