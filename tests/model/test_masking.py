import torch

from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.pipeline.predict import CLEARANCE_PX, in_empty_space, masked


def test_one_answer_per_viewpoint_pixel_in_the_order_of_the_gaussians():
    masks = torch.ones(2, 4, 6)
    masks[1, :2, 2:4] = 0  # view 1, row 0, column 1 of the halved grid
    ignored = masked(masks, 2)
    assert ignored.shape == (2 * 2 * 3,)
    assert ignored.nonzero()[:, 0].tolist() == [6 + 1]


def test_half_of_the_pixels_are_enough():
    masks = torch.zeros(1, 2, 4)
    masks[0, 0, :2] = 1  # two of four pixels
    masks[0, 0, 2] = 1  # one of four
    assert masked(masks, 2).tolist() == [False, True]


def test_without_reduction_the_mask_itself_decides():
    masks = torch.tensor([[[1.0, 0.0], [0.0, 1.0]]])
    assert masked(masks, 1).tolist() == [False, True, True, False]


def test_what_a_view_sees_nothing_of_is_in_empty_space():
    """One camera at the origin looks along z; the right half of its photo is transparent."""
    camera = Cameras(torch.eye(4)[None], torch.full((1, 2), 20.0), torch.full((1, 2), 10.0), 20, 20)
    empty = torch.zeros(1, 20, 20)
    empty[:, :, 10:] = 1
    inside = [10.0 + CLEARANCE_PX + 0.5, 10.0 + CLEARANCE_PX - 0.5, 5.0, 25.0]  # pixel columns of points at depth 2
    means = torch.tensor([[(column - 10) / 10, 0.0, 2.0] for column in inside])
    behind = torch.tensor([[0.5, 0.0, -2.0]])
    found = in_empty_space(torch.cat([means, behind]), camera, empty)
    assert found.tolist() == [True, False, False, False, False]
