"""Configuration of a training run."""

from dataclasses import dataclass, field
from typing import Literal

from ilrm_cli.models.ilrm.config import IlrmConfig
from ilrm_cli.models.layers.config import HeadConfig, MatchingConfig

# Small enough for a laptop; all head options that make a small model learn early (see MODEL_CARD.md).
DEFAULT_MODEL = IlrmConfig(
    layers=4,
    width=128,
    head_width=64,
    patch=4,
    head=HeadConfig(depth="matched", scale="footprint", opacity_shift=0.0, rotation="camera", color="pixel"),
    matching=MatchingConfig(background=4, points=512),
    backdrop=True,
    max_views=12,
    long_side_px=256,
)

ASPECTS = ((4, 3), (3, 2), (1, 1), (16, 9), (3, 4), (2, 3))  # width : height, of cameras and phones

STATE_FILE = "state.pt"  # in the run's folder: everything needed to resume
SYNTHETIC = "synth"  # as a data source: the endless procedural scenes


@dataclass(frozen=True)
class FrameGap:
    """Sampling of video frames: inputs span an interval that grows during the run, targets lie within it."""

    first: tuple[int, int] = (25, 45)  # frames between the outer inputs at the start of the run, min and max (paper)
    last: tuple[int, int] = (45, 135)  # at the end of the growth (paper, RE10K)
    steps: int = 30_000  # over which the gap grows (paper)


@dataclass(frozen=True)
class Spread:
    """Sampling of wide captures: inputs by farthest point sampling in a stretch of frames, targets from its rest."""

    window: tuple[float, float] = (0.2, 1.0)  # min and max share of the capture's frames that a sample covers


@dataclass(frozen=True)
class TrainConfig:
    """A training run. Every step draws its scenes from (seed, step), so a resumed run sees the same scenes."""

    steps: int = 10_000  # total optimizer steps; the learning rate follows a cosine over them
    # Scenes per step at the smallest size, over all processes; larger images get batches with as many pixels in total.
    batch: int = 4
    data: tuple[str, ...] = (SYNTHETIC,)  # one is drawn per scene: "synth" or folders, see `sources.py`
    long_sides_px: tuple[int, ...] = (64,)  # image sizes
    sizes: Literal["mixed", "staged"] = "mixed"  # one size drawn per step, or ascending, each for an equal share
    aspects: tuple[tuple[int, int], ...] = ASPECTS  # width : height, one drawn per step
    min_views: int = 2  # inputs per scene, drawn uniformly per step
    max_views: int = 8
    targets: int = 3  # other views per scene in the loss
    inputs_rendered: int = 1  # inputs per scene in the loss: keeps other views' Gaussians out of their way
    frames: FrameGap | Spread = field(default_factory=Spread)  # how frames of a capture are sampled
    flip: float = 0.0  # probability of mirroring a captured scene; procedural scenes never repeat
    learning_rate: float = 2e-3  # peak
    final_rate: float = 0.03  # relative to the peak, at the last step
    warmup: int = 100  # steps of linear growth to the peak
    weight_decay: float = 0.05  # on matrices only (paper)
    betas: tuple[float, float] = (0.9, 0.95)  # AdamW (paper)
    clip: float = 1.0  # gradient norm (paper)
    ema: float = 0.998  # decay of the averaged weights, which are evaluated and shipped
    perceptual_weight: float = 0.0  # VGG distance, if its weights are on this machine (paper: 0.5)
    ssim_weight: float = 0.02  # 1 - SSIM; replaces the perceptual term, whose weights we may not ship
    opacity_weight: float = 0.0  # mean opacity: favours few, necessary Gaussians (LongLRM); not in the paper
    depth_weight: float = 1.0  # opacity-weighted log-depth error at the first step, if exact depth is known
    final_depth_weight: float = 0.1  # at the last step; fades linearly
    precision: Literal["fp32", "bf16"] = "fp32"  # of the matrix products; the residual stream stays in float32
    checkpointing: bool = False  # recompute each block in the backward pass: less memory, a third more time
    deferred: bool = False  # render images again, one by one, in the backward pass: memory of one view
    read_every: int = 1  # mini-batch cross attention: every k-th token, see `models.layers.blocks.MiniBatch`
    seed: int = 0
