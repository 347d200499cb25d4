import torch

from ilrm_cli.models.layers.tokens import patchify, unpatchify


def test_order_is_row_column_channel():
    grid = torch.arange(2 * 4 * 2).reshape(1, 2, 4, 2).float()  # [V, H, W, C]
    tokens = patchify(grid, 2)
    assert tokens.shape == (1, 2, 8)
    assert tokens[0, 0].tolist() == [0, 1, 2, 3, 8, 9, 10, 11]
    assert tokens[0, 1].tolist() == [4, 5, 6, 7, 12, 13, 14, 15]


def test_unpatchify_undoes_patchify():
    grid = torch.randn(2, 8, 12, 5)
    torch.testing.assert_close(unpatchify(patchify(grid, 4), 4, columns=3), grid)
