"""The number of weights of an iLRM, from its configuration alone."""

from ilrm_cli.models.cost.flops import KERNEL, embedded_channels, feedback_channels, pyramid_channels
from ilrm_cli.models.ilrm.config import IlrmConfig
from ilrm_cli.models.layers.gaussian_head import channels_of


def parameters(config: IlrmConfig) -> int:
    """Return the number of parameters."""
    d, patch = config.width, config.patch**2
    raw = channels_of(config.head, config.estimates, config.volume_planes)
    own, image = (patch * channels * d + d for channels in embedded_channels(config))
    if config.pyramid:
        finest = config.pyramid.widths[0]
        ends = image + _pyramid(config) + finest + finest * raw + bool(config.volume_planes) * config.estimates
    else:
        ends = own + image + d + d * patch * raw
    cross = (2 * config.uplifting + 2) * d**2 + d + 2 * config.head_width
    itself = 4 * d**2 + d + 2 * config.head_width
    mlp = 2 * config.mlp_ratio * d**2 + d
    return ends + config.layers * (cross + itself + 2 * mlp)


def _pyramid(config: IlrmConfig) -> int:
    """Return the number of parameters of the U-Net, and of the feedback to every layer."""
    assert config.pyramid
    widths, finest = config.pyramid.widths, config.pyramid.widths[0]
    pairs = list(zip(widths, (*widths[1:], config.width), strict=True))
    to_tokens_and_back = sum(_conv(4 * fine, coarse) + _conv(coarse, 4 * fine) for fine, coarse in pairs)
    blocks = sum(4 * config.pyramid.blocks * _conv(KERNEL * width, width) for width in widths)  # two convs, down and up
    unet = _conv(pyramid_channels(config), finest) + to_tokens_and_back + blocks
    if not config.pyramid.feedback:
        return unet
    told, changed = feedback_channels(config)
    own = _conv(told, finest) + 2 * _conv(KERNEL * finest, finest) + _conv(finest, changed) + changed
    return unet + config.layers * (own + to_tokens_and_back)


def _conv(inner: int, outer: int) -> int:
    return inner * outer + outer
