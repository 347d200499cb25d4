import torch

from ilrm_cli.render.probes import LONG_SIDE_PX, glance
from tests.support.captures import TARGET, arc, ball, wall_facing


def test_small_pictures_of_what_is_solid():
    cameras = arc([0.0, 90.0], elevation_deg=0.0)
    seen = glance(cameras, ball(radius=0.1), near=0.01)
    assert seen.depth.shape == (2, LONG_SIDE_PX * 48 // 64, LONG_SIDE_PX)
    middle = seen.depth[:, 18, 23]
    assert ((middle > 3.5) & (middle < 4.1)).all()  # the near side of a ball four units away
    assert seen.depth[:, 0, 0].isinf().all()
    assert ((seen.alpha > 0.001) & (seen.alpha < 0.2)).all()
    assert (seen.nearest <= seen.depth.masked_fill(seen.depth.isinf(), 0).amax((1, 2))).all()
    assert (seen.nearest > 3.5).all()


def test_who_sees_nothing_has_nothing_near():
    seen = glance(wall_facing(1), ball(TARGET - 100), near=0.01)
    assert seen.nearest.tolist() == [0]
    assert seen.alpha.tolist() == [0]
    assert torch.isinf(seen.depth).all()
