"""Attention as transformers before 2024 have it: no norm of queries and keys; over oneself or over other tokens."""

from jaxtyping import Float
from torch import Tensor, nn

from ilrm_cli.models.layers.attention import attention


class PlainAttention(nn.Module):
    """Multi-head attention with separate projections; tokens read `context`, or themselves."""

    def __init__(self, width: int, heads: int, head_width: int, context: int | None = None, bias: bool = False,
                 out_bias: bool = True):  # fmt: skip
        super().__init__()
        self.heads = heads
        self.q = nn.Linear(width, heads * head_width, bias=bias)
        self.k = nn.Linear(context or width, heads * head_width, bias=bias)
        self.v = nn.Linear(context or width, heads * head_width, bias=bias)
        self.out = nn.Linear(heads * head_width, width, bias=out_bias)

    def forward(
        self, tokens: Float[Tensor, "batch token dim"], context: Float[Tensor, "batch other context"] | None = None
    ) -> Float[Tensor, "batch token dim"]:
        read = tokens if context is None else context
        q, k, v = (
            part(source).unflatten(-1, (self.heads, -1))
            for part, source in ((self.q, tokens), (self.k, read), (self.v, read))
        )
        return self.out(attention(q, k, v).flatten(2))
