"""What a network of the LRM line tells of itself from its configuration alone."""

from ilrm_cli.geometry.views import TrainingRange
from ilrm_cli.models.base import Capabilities, Cost, Pass, Piecewise
from ilrm_cli.models.layers.passes import WHOLE
from ilrm_cli.models.lrm.config import OpenLrmConfig, TripoSrConfig, VitConfig

BYTES = 4  # of a number in float32
HELD = 4  # tensors of the widest kind that a block holds at a time


def capabilities_of_object(config: TripoSrConfig | OpenLrmConfig) -> Capabilities:
    """Return what such a network can do: one photo, cut out, from a camera that it assumes."""
    return Capabilities(
        trained_on=TrainingRange((1, 1)),
        long_side_px=config.image_px,
        size_multiple=config.vit.patch,
        needs_poses=False,
        output="field",
    )


def cost_of_triposr(config: TripoSrConfig, asked: Pass) -> Cost:
    """Return operations and memory of a pass for one object; the size of the photo is the network's own."""
    tokens, width = 3 * config.plane_size**2, config.heads * config.head_width
    image_tokens = 1 + (config.image_px // config.vit.patch) ** 2
    own = 4 * tokens * width**2 + 2 * tokens**2 * width
    cross = 2 * tokens * width**2 + 2 * image_tokens * config.vit.width * width + 2 * tokens * image_tokens * width
    mlp = 12 * tokens * width**2
    ends = 2 * tokens * width * config.width + 4 * tokens * config.width * config.plane_channels
    macs = config.layers * (own + cross + mlp) + ends + vit_macs(config.vit, image_tokens)
    held = BYTES * max(tokens * 8 * width, image_tokens * config.vit.mlp_width) * HELD
    layer = 18 * width**2 + 2 * config.vit.width * width
    weights = BYTES * (
        config.layers * layer + vit_weights(config.vit) + tokens * config.width + 2 * width * config.width
    )
    image = BYTES * 3 * config.image_px**2
    return Cost(2.0 * macs, weights, image, (Piecewise(WHOLE, held, "layers"),))


def cost_of_openlrm(config: OpenLrmConfig, asked: Pass) -> Cost:
    """Return operations and memory of a pass for one object."""
    tokens, width, context = 3 * config.plane_size**2, config.width, config.vit.width
    image_tokens = 1 + (config.image_px // config.vit.patch) ** 2
    cross = 2 * tokens * width**2 + 2 * image_tokens * context * width + 2 * tokens * image_tokens * width
    own, mlp = 4 * tokens * width**2 + 2 * tokens**2 * width, 8 * tokens * width**2
    modulation = 3 * 2 * width * config.camera_width
    ends = 4 * tokens * width * config.plane_channels + 16 * config.camera_width + config.camera_width**2
    vit = vit_macs(config.vit, image_tokens + config.vit.registers)
    macs = config.layers * (cross + own + mlp + modulation) + ends + vit
    held = BYTES * max(tokens * 4 * width, image_tokens * config.vit.mlp_width) * HELD
    layer = 14 * width**2 + 2 * context * width + modulation
    weights = BYTES * (config.layers * layer + vit_weights(config.vit) + tokens * width + config.camera_width**2)
    image = BYTES * 3 * config.image_px**2
    return Cost(2.0 * macs, weights, image, (Piecewise(WHOLE, held, "layers"),))


def vit_macs(config: VitConfig, tokens: int) -> int:
    """Return multiply-adds of a ViT."""
    block = 4 * tokens * config.width**2 + 2 * tokens**2 * config.width + 2 * tokens * config.width * config.mlp_width
    return config.layers * block + tokens * 3 * config.patch**2 * config.width


def vit_weights(config: VitConfig) -> int:
    """Return the number of weights of a ViT, but for small ones."""
    return config.layers * (4 * config.width**2 + 2 * config.width * config.mlp_width) + config.grid**2 * config.width
