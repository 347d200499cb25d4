"""A small U-Net over the evidence of a view: what lies between pixels and the tokens that views exchange.

Our addition to iLRM (not in the paper), as multi-view stereo has had since MVSNet (Yao et al. 2018): the costs of the
planes of a pixel say little alone and much beside those of its neighbours. The encoder gathers them down to one
viewpoint token per coarsest cell; attention refines these tokens; the decoder spreads them back over the pixels, beside
the maps that the encoder left on its way (Ronneberger et al. 2015). Views do not meet here.
"""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import pixel_shuffle, relu, relu_

Map = Float[Tensor, "view _channel _height _width"]  # of one level: each has its own sizes


class Residual(nn.Module):
    """x + conv(relu(conv(relu(x)))): pre-activation (He et al. 2016); without norms, so the second begins at zero."""

    def __init__(self, width: int):
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        for parameter in self.second.parameters():
            nn.init.zeros_(parameter)

    def forward(self, grid: Map) -> Map:
        return self.second(relu_(self.first(relu(grid)))).add_(grid)


class Pyramid(nn.Module):
    """Encoder and decoder; each level halves the sides of the one before, the tokens' cells those of the last."""

    def __init__(self, channels: int, widths: Sequence[int], blocks: int, token_width: int):
        super().__init__()
        pairs = list(zip(widths, [*widths[1:], token_width], strict=True))
        self.inlet = nn.Conv2d(channels, widths[0], 1)
        self.encoders = nn.ModuleList(_residuals(width, blocks) for width in widths)
        self.downs = nn.ModuleList(nn.Conv2d(fine, coarse, 2, stride=2) for fine, coarse in pairs)
        self.ups = nn.ModuleList(nn.Conv2d(coarse, 4 * fine, 1) for fine, coarse in pairs)
        self.decoders = nn.ModuleList(_residuals(width, blocks) for width in widths)

    def encoded(
        self, channels: Float[Tensor, "view height width channel"]
    ) -> tuple[Float[Tensor, "view token dim"], list[Map]]:
        """Return one token per coarsest cell, in (row, column) order, and the maps of the levels, fine to coarse."""
        grid = self.inlet(channels.permute(0, 3, 1, 2))
        maps = []
        for encoder, down in zip(self.encoders, self.downs, strict=True):
            maps.append(encoder(grid))
            grid = down(relu(maps[-1]))
        return grid.flatten(2).transpose(1, 2), maps

    def decoded(
        self, tokens: Float[Tensor, "view token dim"], maps: Sequence[Map]
    ) -> Float[Tensor, "view height width feature"]:
        """Return features of every pixel, from the refined tokens and the maps that `encoded` gave."""
        rows, columns = maps[-1].shape[-2] // 2, maps[-1].shape[-1] // 2
        grid = tokens.transpose(1, 2).unflatten(2, (rows, columns))
        for fine, up, decoder in zip(reversed(maps), reversed(self.ups), reversed(self.decoders), strict=True):
            grid = decoder(fine + pixel_shuffle(up(relu(grid)), 2))
        return grid.permute(0, 2, 3, 1)


def _residuals(width: int, count: int) -> nn.Sequential:
    return nn.Sequential(*(Residual(width) for _ in range(count)))
