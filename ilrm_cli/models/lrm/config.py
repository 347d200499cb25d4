"""The sizes that make one TripoSR, or one OpenLRM."""

from dataclasses import dataclass, field
from typing import Literal

from ilrm_cli.models.layers.config import Count, Width


@dataclass(frozen=True)
class VitConfig:
    """A Vision Transformer. The defaults are facebook/dino-vitb16."""

    width: Width = 768
    layers: Count = 12
    heads: Count = 12
    mlp_width: Width = 3072
    patch: Count = 16  # px per side of a token
    grid: Count = 14  # patches per side that positions were learned for
    norm_eps: float = 1e-12
    registers: int = 0  # tokens without a place
    layer_scale: bool = False
    antialias: bool = False  # whether positions are resized with antialiasing
    pooler: bool = True  # whether the files hold the unused one


@dataclass(frozen=True)
class TripoSrConfig:
    """One TripoSR. The defaults are the published one."""

    vit: VitConfig = field(default_factory=VitConfig)
    image_px: Width = 512  # sides of the cut-out that the ViT sees
    plane_size: Count = 32  # tokens per side of a plane
    width: Width = 1024  # of plane tokens
    heads: Count = 16
    head_width: Width = 64
    layers: Count = 16
    plane_channels: Count = 40  # of the triplane, whose sides are twice `plane_size`
    decoder_width: Count = 64
    decoder_layers: Count = 9  # hidden ones, of the network from features to colour and density
    activation: Literal["silu", "relu"] = "silu"  # between its layers
    radius: float = 0.87  # half the side of the box
    density_bias: float = -1.0  # before the exponential
    samples: Count = 128  # on each ray


@dataclass(frozen=True)
class OpenLrmConfig:
    """One OpenLRM. The defaults are the published base model (`openlrm-*-base-1.1`)."""

    vit: VitConfig = field(
        default_factory=lambda: VitConfig(
            patch=14, grid=37, norm_eps=1e-6, registers=4, layer_scale=True, antialias=True, pooler=False
        )
    )
    image_px: Width = 336  # sides of the cut-out that the ViT sees
    camera_width: Width = 1024  # of the camera's embedding
    plane_size: Count = 32  # tokens per side of a plane
    width: Width = 768  # of plane tokens
    heads: Count = 12
    layers: Count = 12
    plane_channels: Count = 48  # of the triplane, whose sides are twice `plane_size`
    samples: Count = 96  # on each ray, half of them by importance
