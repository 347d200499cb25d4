"""Mamba2's selective state-space scan in chunks (Dao and Gu 2024), and its layer in one or two directions (Long-LRM).

Per head, with a state S of (channel, state) numbers:

    S_t = exp(dt_t A) S_(t-1) + dt_t x_t B_tᵀ        y_t = S_t C_t

A chunk of Q tokens is done by matrix products. With l_i the sum of dt_k A over the chunk's tokens k <= i:

    within:   Y_i = Σ_(j<=i) exp(l_i - l_j) (C_i · B_j) dt_j x_j
    carried:  S'  = exp(l_Q) S + Σ_j exp(l_Q - l_j) dt_j x_j B_jᵀ
    between:  Y_i += exp(l_i) S C_i
"""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import pad, rms_norm, silu, softplus

CHUNK = 64  # Q: tokens done by one matrix product
CHUNKS_AT_ONCE = 16  # chunks whose products are in memory at once, without gradients
NORM_EPS = 1e-5
DECAY_RANGE = (1.0, 16.0)  # of -A at the start, uniform
STEP_RANGE = (1e-3, 0.1)  # of dt at the start, log-uniform
LEAST_STEP = 1e-4


def scan(
    x: Float[Tensor, "batch token head channel"],
    step: Float[Tensor, "batch token head"],
    decay: Float[Tensor, " head"],
    enter: Float[Tensor, "batch token state"],
    leave: Float[Tensor, "batch token state"],
    chunk: int = CHUNK,
) -> tuple[Float[Tensor, "batch token head channel"], Float[Tensor, "batch head channel state"]]:
    """Return the outputs y and the last state of the scan; `step` is dt > 0, `decay` A < 0, `enter` B, `leave` C."""
    batch, tokens, heads, channels = x.shape
    chunk = min(chunk, tokens)
    missing = -tokens % chunk
    if missing:  # steps of 0 keep the state and add nothing
        x, step = pad(x, (0, 0, 0, 0, 0, missing)), pad(step, (0, 0, 0, missing))
        enter, leave = pad(enter, (0, 0, 0, missing)), pad(leave, (0, 0, 0, missing))
    weighted = x * step[..., None].to(x.dtype)
    wide = torch.float64 if x.dtype == torch.float64 else torch.float32
    exponent = (step.to(wide) * decay.to(wide)).unflatten(1, (-1, chunk)).cumsum(2)  # l: [batch, chunk, Q, head]
    weighted, enter, leave = (part.unflatten(1, (-1, chunk)) for part in (weighted, enter, leave))
    state = x.new_zeros((batch, heads, channels, enter.shape[-1]), dtype=wide)
    outputs = []
    for first in range(0, exponent.shape[1], CHUNKS_AT_ONCE):
        some = slice(first, first + CHUNKS_AT_ONCE)
        y, state = _chunks(weighted[:, some], enter[:, some], leave[:, some], exponent[:, some], state)
        outputs.append(y)
    whole = outputs[0] if len(outputs) == 1 else torch.cat(outputs, dim=1)
    return whole.flatten(1, 2)[:, :tokens], state


def _chunks(
    x: Float[Tensor, "batch chunk token head channel"],
    enter: Float[Tensor, "batch chunk token state"],
    leave: Float[Tensor, "batch chunk token state"],
    exponent: Float[Tensor, "batch chunk token head"],
    state: Float[Tensor, "batch head channel state"],
) -> tuple[Float[Tensor, "batch chunk token head channel"], Float[Tensor, "batch head channel state"]]:
    """Return the outputs of some chunks, whose x are already times dt, and the state behind them."""
    heads, channels = x.shape[-2:]
    by_head = exponent.transpose(2, 3)  # [batch, chunk, head, Q]
    future = torch.ones(exponent.shape[2], exponent.shape[2], dtype=torch.bool, device=x.device).triu(1)
    gap = (by_head[..., :, None] - by_head[..., None, :]).masked_fill_(future, -math.inf)  # before exp: no overflow
    weights = gap.exp_() * (leave @ enter.transpose(-1, -2))[:, :, None]
    within = weights.to(x.dtype) @ x.transpose(2, 3)  # [batch, chunk, head, Q, channel]
    left = (exponent[:, :, -1:] - exponent).exp()[..., None].to(x.dtype)
    added = ((x * left).flatten(3).transpose(2, 3) @ enter).unflatten(2, (heads, channels))
    kept = exponent[:, :, -1].exp()[..., None, None]  # [batch, chunk, head, 1, 1]
    before = []
    for number in range(x.shape[1]):
        before.append(state)
        state = kept[:, number] * state + added[:, number]
    entering = torch.stack(before, dim=1).flatten(2, 3)  # [batch, chunk, head * channel, state]
    between = (leave @ entering.transpose(-1, -2).to(leave.dtype)).unflatten(3, (heads, channels))
    return within.transpose(2, 3) + between * exponent.exp()[..., None].to(x.dtype), state


def scan_multiply_adds(tokens: int, heads: int, channels: int, states: int, chunk: int = CHUNK) -> float:
    """Return the multiply-adds of the matrix products in `scan` over one sequence."""
    chunk = min(chunk, tokens)
    padded, inner = -(-tokens // chunk) * chunk, heads * channels
    return float(padded) * (chunk * states + chunk * inner + 2 * inner * states)


class Direction(nn.Module):
    """What one direction does to projected tokens: causal convolution, scan, gate and norm. Names as published."""

    def __init__(self, inner: int, state: int, head_width: int, taps: int):
        super().__init__()
        self.inner, self.state, self.head_width = inner, state, head_width
        self.dt_bias = nn.Parameter(_first_steps(inner // head_width))
        self.A_log = nn.Parameter(_first_decays(inner // head_width))
        self.D = nn.Parameter(torch.ones(inner // head_width))
        self.conv1d = nn.Conv1d(inner + 2 * state, inner + 2 * state, taps, groups=inner + 2 * state)
        self.norm = nn.RMSNorm(inner, eps=NORM_EPS)

    def forward(
        self, projected: Float[Tensor, "batch token projection"], chunk: int = CHUNK
    ) -> Float[Tensor, "batch token inner"]:
        return self.gated(self.scanned(projected, chunk)[0].flatten(2), projected[..., : self.inner])

    def mixed(self, projected: Float[Tensor, "batch token projection"]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return x [batch, token, head, channel], dt, B and C of tokens projected to (z, x, B, C, dt)."""
        _, joint, step = projected.split([self.inner, self.inner + 2 * self.state, len(self.D)], dim=-1)
        x, enter, leave = silu(self._convolved(joint)).split([self.inner, self.state, self.state], dim=-1)
        wide = torch.promote_types(step.dtype, torch.float32)
        return x.unflatten(-1, (-1, self.head_width)), softplus(step.to(wide) + self.dt_bias), enter, leave

    def scanned(
        self, projected: Float[Tensor, "batch token projection"], chunk: int = CHUNK
    ) -> tuple[Float[Tensor, "batch token head channel"], Float[Tensor, "batch head channel state"]]:
        """Return the scan's outputs plus D x, and its last state."""
        x, step, enter, leave = self.mixed(projected)
        y, state = scan(x, step, -self.A_log.exp(), enter, leave, chunk)
        return y + self.D.to(x.dtype)[:, None] * x, state

    def gated(
        self, y: Float[Tensor, "batch token inner"], gate: Float[Tensor, "batch token inner"]
    ) -> Float[Tensor, "batch token inner"]:
        """Return the norm of y times SiLU of the gate."""
        return rms_norm(y * silu(gate), self.norm.normalized_shape, self.norm.weight.to(y.dtype), NORM_EPS)

    def _convolved(self, x: Float[Tensor, "batch token channel"]) -> Float[Tensor, "batch token channel"]:
        """Convolve each channel with its taps, over a token and those before it."""
        taps = self.conv1d.weight[:, 0].to(x.dtype)  # [channel, tap]
        padded, tokens = pad(x, (0, 0, taps.shape[1] - 1, 0)), x.shape[1]
        assert self.conv1d.bias is not None
        total = self.conv1d.bias.to(x.dtype) + padded[:, :tokens] * taps[:, 0]
        for tap in range(1, taps.shape[1]):
            total = total + padded[:, tap : tap + tokens] * taps[:, tap]
        return total


class Mamba2(nn.Module):
    """Mamba2 with one B/C group, in one or two directions whose outputs are summed (Long-LRM section 3.2).

    The backward direction flips the projected sequence and has its own convolution, steps, decays and norm.
    """

    def __init__(self, width: int, state: int, head_width: int, expansion: int = 2, taps: int = 4, directions: int = 2):
        super().__init__()
        inner = expansion * width
        if inner % head_width:
            raise ValueError(f"{inner} channels do not split into heads of {head_width}")
        self.in_proj = nn.Linear(width, 2 * inner + 2 * state + inner // head_width, bias=False)
        self.mamba_scans = nn.ModuleList(Direction(inner, state, head_width, taps) for _ in range(directions))
        self.out_proj = nn.Linear(inner, width, bias=False)

    def forward(self, tokens: Float[Tensor, "batch token dim"], chunk: int = CHUNK) -> Float[Tensor, "batch token dim"]:
        projected = self.in_proj(tokens)
        outputs: Sequence[Tensor] = [
            direction(projected, chunk) if number == 0 else direction(projected.flip(1), chunk).flip(1)
            for number, direction in enumerate(self.mamba_scans)
        ]
        return self.out_proj(sum(outputs[1:], start=outputs[0]))


class MambaBlock(nn.Module):
    """RMSNorm, Mamba2 in both directions, residual (Long-LRM)."""

    def __init__(self, width: int, state: int, head_width: int, expansion: int, taps: int):
        super().__init__()
        self.norm = nn.RMSNorm(width, eps=NORM_EPS)
        self.mamba = Mamba2(width, state, head_width, expansion, taps)

    def forward(self, tokens: Float[Tensor, "batch token dim"]) -> Float[Tensor, "batch token dim"]:
        return tokens + self.mamba(self.norm(tokens))


def _first_decays(heads: int) -> Float[Tensor, " head"]:
    values = torch.empty(heads)
    return values if values.is_meta else values.uniform_(*DECAY_RANGE).log()  # there it imports PyTorch's compiler


def _first_steps(heads: int) -> Float[Tensor, " head"]:
    """Return log-uniform steps before their softplus."""
    values = torch.empty(heads)
    if values.is_meta:
        return values
    low, high = (math.log(end) for end in STEP_RANGE)
    steps = values.uniform_(low, high).exp().clamp_min(LEAST_STEP)
    return steps + (-torch.expm1(-steps)).log()  # softplus of this is the step
