"""The network written the plain way, as a baseline for timing: module by module, in float32.

Every step allocates its own tensors: queries and results of uplifted tokens are copied into place, the attention
weights are written out and read back, all views are held at once. It uses the weights of `Ilrm` under the same names.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.geometry.views import Views
from ilrm_cli.models.ilrm.config import IlrmConfig
from ilrm_cli.models.layers.blocks import Mlp, SelfAttention
from ilrm_cli.models.layers.gaussian_head import GaussianHead
from ilrm_cli.models.layers.tokens import Tokenizer, pixel_channels

EPS = 1e-5  # for both kinds of norm


class Reference(nn.Module):
    """`Ilrm` without plane sweep; takes its `state_dict` and returns its Gaussians."""

    def __init__(self, config: IlrmConfig):
        super().__init__()
        assert config.matching is None, "the reference is the paper's network, without a plane sweep"
        self.config = config
        self.viewpoint_tokenizer = Tokenizer(config.patch, 3 * len(config.viewpoint_channels), config.width)
        self.image_tokenizer = Tokenizer(config.patch, 3 * len(config.image_channels), config.width)
        self.layers = nn.ModuleList(_Layer(config) for _ in range(config.layers))
        self.head = GaussianHead(config.head, config.width, config.patch)

    def forward(self, views: Views) -> Gaussians:
        """Predict the Gaussians of one scene."""
        factor = self.config.viewpoint_factor
        grid = views.cameras.resized(views.cameras.width // factor, views.cameras.height // factor)
        tokens = self.viewpoint_tokenizer(pixel_channels(grid, self.config.viewpoint_channels))
        image_tokens = self.image_tokenizer(pixel_channels(views.cameras, self.config.image_channels, views.images))
        for layer in self.layers:
            tokens = layer(tokens, image_tokens)
        raw = self.head(tokens, columns=grid.width // self.config.patch)
        return self.head.gaussians(raw, grid, nn.functional.avg_pool2d(views.images, factor), None)


class _Layer(nn.Module):
    def __init__(self, config: IlrmConfig):
        super().__init__()
        self.cross, self.cross_mlp = _Cross(config), _Mlp(config)
        self.self_attention, self.self_mlp = _Self(config), _Mlp(config)

    def forward(self, tokens: Tensor, image_tokens: Tensor) -> Tensor:
        tokens = tokens + self.cross(tokens, image_tokens)
        tokens = tokens + self.cross_mlp(tokens)
        tokens = tokens + self.self_attention(tokens)
        return tokens + self.self_mlp(tokens)


class _Cross(nn.Module):
    def __init__(self, config: IlrmConfig):
        super().__init__()
        width = config.width
        self.head_width, self.copies = config.head_width, config.uplifting
        self.norm = nn.LayerNorm(width, EPS, bias=False)
        self.q, self.k, self.v = (nn.Linear(width, n, bias=False) for n in (width * self.copies, width, width))
        self.proj = nn.Linear(width * self.copies, width, bias=False)
        self.q_norm, self.k_norm = _HeadNorm(self.head_width), _HeadNorm(self.head_width)

    def forward(self, tokens: Tensor, image_tokens: Tensor) -> Tensor:
        views, count, width = tokens.shape
        q = self.q(self.norm(tokens)).reshape(views, count, -1, self.head_width, self.copies)
        q = q.permute(0, 2, 1, 4, 3).reshape(views, -1, count * self.copies, self.head_width)
        k, v = (_heads(part(image_tokens), self.head_width) for part in (self.k, self.v))
        read = attention(self.q_norm(q), self.k_norm(k), v)  # [V, heads, T*s, c]
        read = read.reshape(views, -1, count, self.copies, self.head_width).permute(0, 2, 1, 4, 3)
        return self.proj(read.reshape(views, count, width * self.copies))


class _Self(nn.Module):
    def __init__(self, config: IlrmConfig):
        super().__init__()
        self.head_width = config.head_width
        self.norm = nn.LayerNorm(config.width, EPS, bias=False)
        self.qkv = nn.Linear(config.width, 3 * config.width, bias=False)
        self.proj = nn.Linear(config.width, config.width, bias=False)
        self.q_norm, self.k_norm = _HeadNorm(self.head_width), _HeadNorm(self.head_width)

    def forward(self, tokens: Tensor) -> Tensor:
        together = tokens.reshape(1, -1, tokens.shape[-1])  # all views
        q, k, v = (_heads(part, self.head_width) for part in self.qkv(self.norm(together)).chunk(3, dim=-1))
        mixed = attention(self.q_norm(q), self.k_norm(k), v).transpose(1, 2)
        return self.proj(mixed.reshape(tokens.shape))


class _Mlp(nn.Module):
    def __init__(self, config: IlrmConfig):
        super().__init__()
        hidden = config.width * config.mlp_ratio
        self.norm = nn.LayerNorm(config.width, EPS, bias=False)
        self.fc1 = nn.Linear(config.width, hidden, bias=False)
        self.fc2 = nn.Linear(hidden, config.width, bias=False)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.fc2(nn.functional.gelu(self.fc1(self.norm(tokens))))


class _HeadNorm(nn.Module):
    def __init__(self, head_width: int):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(head_width))

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + EPS) * self.weight


class FullAttentionLayer(nn.Module):
    """The layer that an update layer replaces: two blocks of joint self attention over all tokens of all views.

    Otherwise as fast as `Ilrm`: attention does not write out its weights.
    """

    def __init__(self, config: IlrmConfig):
        super().__init__()
        self.blocks = nn.ModuleList(SelfAttention(config.width, config.head_width) for _ in range(2))
        self.mlps = nn.ModuleList(Mlp(config.width, config.mlp_ratio) for _ in range(2))

    def forward(self, tokens: Float[Tensor, "scene token dim"]) -> Float[Tensor, "scene token dim"]:
        for block, mlp in zip(self.blocks, self.mlps, strict=True):
            tokens = tokens + block(tokens)
            tokens = tokens + mlp(tokens)
        return tokens


def attention(
    q: Float[Tensor, "batch head query channel"],
    k: Float[Tensor, "batch head key channel"],
    v: Float[Tensor, "batch head key channel"],
) -> Float[Tensor, "batch head query channel"]:
    """Compute softmax(q kᵀ / sqrt(c)) v with all weights materialised at once."""
    weights = torch.softmax(q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5, dim=-1)
    return weights @ v


def _heads(channels: Float[Tensor, "batch token dim"], head_width: int) -> Float[Tensor, "batch head token channel"]:
    return channels.reshape(*channels.shape[:2], -1, head_width).transpose(1, 2).contiguous()
