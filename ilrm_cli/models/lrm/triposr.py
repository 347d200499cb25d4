"""TripoSR (Tochilkin et al. 2024): tokens of three planes, which read one photo of an object, become a field."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import torch
from jaxtyping import Float, UInt8
from numpy import ndarray
from torch import Tensor, nn
from torch.nn.functional import gelu

from ilrm_cli.geometry.fields import Box, Field, Marching, Rays, Span
from ilrm_cli.geometry.views import Views
from ilrm_cli.models.base import Architecture, Capabilities, Cost, FieldNetwork, Pass
from ilrm_cli.models.layers.parts import named_weights, shaped, with_weights
from ilrm_cli.models.layers.plain_attention import PlainAttention
from ilrm_cli.models.layers.triplane import Axes, looked_up, plane_tokens, token_planes
from ilrm_cli.models.lrm.config import TripoSrConfig
from ilrm_cli.models.lrm.contract import capabilities_of_object, cost_of_triposr
from ilrm_cli.models.lrm.cut_out import object_view, triposr_camera
from ilrm_cli.models.lrm.published_triposr import is_triposr, load_triposr
from ilrm_cli.models.lrm.vit import Vit
from ilrm_cli.runtime.progress import Report, Step, ignore

GROUPS, GROUP_EPS = 32, 1e-6  # of the norm of the learned tokens
IMAGE_MEAN, IMAGE_DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet's
AXES: Axes = ((0, 1), (0, 2), (1, 2))  # of the three planes
UPSAMPLING = 2  # pixels of a plane per token and direction
MARGIN, LEAST_LENGTH = 1e-3, 1e-2  # of the box when drawing: shrunk by this share; stretches that count, world units
SOLID = 25.0  # density from which meshes are made
ACTIVATIONS: dict[str, type[nn.Module]] = {"silu": nn.SiLU, "relu": nn.ReLU}
EMBEDDING_STD = 0.02  # of untrained tokens


class Block(nn.Module):
    """Self attention of plane tokens, their cross attention on image tokens, and an MLP with gates (GEGLU)."""

    def __init__(self, config: TripoSrConfig):
        super().__init__()
        heads, channels = config.heads, config.head_width
        width = heads * channels
        self.norm1, self.norm2, self.norm3 = (nn.LayerNorm(width) for _ in range(3))
        self.own = PlainAttention(width, heads, channels)
        self.cross = PlainAttention(width, heads, channels, context=config.vit.width)
        self.fc1, self.fc2 = nn.Linear(width, 8 * width), nn.Linear(4 * width, width)

    def forward(
        self, tokens: Float[Tensor, "batch token dim"], image_tokens: Float[Tensor, "batch other context"]
    ) -> Float[Tensor, "batch token dim"]:
        tokens = tokens + self.own(self.norm1(tokens))
        tokens = tokens + self.cross(self.norm2(tokens), image_tokens)
        value, gate = self.fc1(self.norm3(tokens)).chunk(2, dim=-1)
        return tokens + self.fc2(value * gelu(gate))


class Decoder(nn.Module):
    """Features of the three planes -> raw density and colour of a point, by Linears with an activation between them."""

    def __init__(self, config: TripoSrConfig):
        super().__init__()
        widths = [3 * config.plane_channels, *[config.decoder_width] * config.decoder_layers]
        between = ACTIVATIONS[config.activation]
        hidden = [layer for ends in pairwise(widths) for layer in (nn.Linear(*ends), between())]
        self.layers = nn.Sequential(*hidden, nn.Linear(widths[-1], 4))

    def forward(self, features: Float[Tensor, "point channel"]) -> Float[Tensor, "point 4"]:
        return self.layers(features)


class TripoSrField(Field):
    """The field of a triplane; colours are the same from all sides, and the world's axes are x back, y right, z up."""

    surface = SOLID

    def __init__(self, planes: Float[Tensor, "plane channel height width"], decoder: Decoder, config: TripoSrConfig):
        self.planes, self.decoder, self.config = planes, decoder, config
        self.marching = Marching(config.samples, step="unit")
        self.background = torch.ones(3).to(planes)
        self.box = Box.cube(config.radius, planes)
        self._drawn = Box.cube((1 - MARGIN) * config.radius, planes)

    def span(self, rays: Rays) -> Span:
        return self._drawn.span(rays, LEAST_LENGTH)

    def sampled(
        self, points: Float[Tensor, "point 3"], directions: Float[Tensor, "point 3"], refined: bool = False
    ) -> tuple[Float[Tensor, " point"], Float[Tensor, "point 3"]]:
        raw = self.decoder(looked_up(self.planes, points / self.config.radius, AXES))
        return raw[:, 0], raw[:, 1:].sigmoid()

    def density(self, raw: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
        return (raw + self.config.density_bias).exp()

    def parts(self) -> dict[str, Tensor]:
        return {"planes": self.planes, **named_weights(decoder=self.decoder)}


def field_of(config: TripoSrConfig, parts: Mapping[str, Tensor]) -> TripoSrField:
    """Return the field of these parts. Raises ValueError, RuntimeError or LookupError for others."""
    side = UPSAMPLING * config.plane_size
    planes = shaped(parts["planes"], (3, config.plane_channels, side, side))
    return TripoSrField(planes, with_weights(lambda: Decoder(config), parts, "decoder"), config)


class TripoSr(FieldNetwork):
    """The network.

    photo, cut out, on grey -> ViT -> image tokens                    [1 + (S/16)², 768]
    learned plane tokens -> norm, Linear -> L times: self attention, cross attention, MLP -> Linear
    + the learned tokens themselves -> deconvolution -> triplane     [3, 40, 64, 64] -> field
    """

    architecture = "triposr"

    def __init__(self, config: TripoSrConfig):
        super().__init__()
        self.config, self.precision = config, torch.float32
        width, inner = config.width, config.heads * config.head_width
        self.vit = Vit(config.vit)
        self.planes = nn.Parameter(torch.zeros(3, width, config.plane_size, config.plane_size))
        if not self.planes.is_meta:
            nn.init.normal_(self.planes, std=EMBEDDING_STD)
        self.norm = nn.GroupNorm(GROUPS, width, eps=GROUP_EPS)
        self.proj_in, self.proj_out = nn.Linear(width, inner), nn.Linear(inner, width)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.upsample = nn.ConvTranspose2d(width, config.plane_channels, UPSAMPLING, UPSAMPLING)
        self.decoder = Decoder(config)

    @property
    def capabilities(self) -> Capabilities:
        return capabilities_of_object(self.config)

    def cost(self, asked: Pass) -> Cost:
        return cost_of_triposr(self.config, asked)

    def view_of(self, cut_out: UInt8[ndarray, "height width 4"]) -> Views:
        return object_view(cut_out, triposr_camera(self.config.image_px))

    def fields(
        self,
        scenes: Sequence[Views],
        report: Report = ignore,
        depth_ranges: Sequence[tuple[float, float]] | None = None,
    ) -> list[Field]:
        return [TripoSrField(self.triplane(scene.images, report), self.decoder, self.config) for scene in scenes]

    def triplane(
        self, images: Float[Tensor, "1 3 height width"], report: Report = ignore
    ) -> Float[Tensor, "plane channel rows columns"]:
        """Return the triplane of an object on grey."""
        mean, deviation = (torch.tensor(c).to(images)[:, None, None] for c in (IMAGE_MEAN, IMAGE_DEVIATION))
        with self.products(images.device):
            image_tokens = self.vit((images - mean) / deviation)
            tokens = self.proj_in(plane_tokens(self.normed())[None])
            for number, block in enumerate(self.blocks):
                report(Step("layers", number, len(self.blocks)))
                tokens = block(tokens, image_tokens)
            made = token_planes(self.proj_out(tokens)[0]) + self.planes
            return self.upsample(made).float()

    def normed(self) -> Float[Tensor, "plane channel height width"]:
        """Return the learned tokens, normed over all planes together."""
        together = self.planes.movedim(1, 0)  # [channel, plane, row, column]
        return self.norm(together[None])[0].movedim(0, 1)


ARCHITECTURE = Architecture(
    name=TripoSr.architecture,
    config=TripoSrConfig,
    required=(),
    capabilities=capabilities_of_object,
    cost=cost_of_triposr,
    build=TripoSr,
    load_published=load_triposr,
    recognises=is_triposr,
    field_of=field_of,
)
