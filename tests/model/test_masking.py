import torch

from ilrm_cli.model.masking import masked


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
