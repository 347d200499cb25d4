"""What one training run does."""

from dataclasses import dataclass, field
from typing import Literal

from ilrm_cli.model.config import HeadConfig, IlrmConfig, MatchingConfig

# Small enough for a laptop; every option of the head that makes a small model learn early (see MODEL_CARD.md).
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

STATE_FILE = "state.pt"  # in the folder of a run: everything a resumed run needs
SYNTHETIC = "synth"  # among the data sources: the endless procedural scenes


@dataclass(frozen=True)
class FrameGap:
    """Neighbours in a video: inputs span a number of frames that grows with the run, targets lie between them."""

    first: tuple[int, int] = (25, 45)  # frames between the outer inputs at the start of the run, least and most (paper)
    last: tuple[int, int] = (45, 135)  # the same at the end of the growth (paper, RE10K)
    steps: int = 30_000  # over which the gap grows (paper)


@dataclass(frozen=True)
class Spread:
    """Wide captures: inputs by farthest point sampling among a stretch of the frames, targets from the rest of it."""

    window: tuple[float, float] = (0.2, 1.0)  # least and most share of the capture's frames that one sample covers


@dataclass(frozen=True)
class TrainConfig:
    """One run. Every step draws its scenes from (seed, step), so a resumed run sees what an unbroken one would."""

    steps: int = 10_000  # optimizer steps in all; the learning rate follows a cosine over them
    # Scenes per step at the smallest size, all processes together; larger images come in batches of as many pixels.
    batch: int = 4
    data: tuple[str, ...] = (SYNTHETIC,)  # sources, one drawn per scene: "synth" or folders, see `sources.py`
    long_sides_px: tuple[int, ...] = (64,)  # image sizes
    sizes: Literal["mixed", "staged"] = "mixed"  # one size drawn per step, or ascending, each for an equal share
    aspects: tuple[tuple[int, int], ...] = ASPECTS  # width : height, one drawn per step
    min_views: int = 2  # inputs per scene are drawn uniformly between these two, per step
    max_views: int = 8
    targets: int = 3  # other views per scene that the loss looks at
    inputs_rendered: int = 1  # inputs per scene that it looks at too: keeps other views' Gaussians out of their way
    frames: FrameGap | Spread = field(default_factory=Spread)  # which frames of a capture make a sample
    flip: float = 0.0  # chance that a captured scene is mirrored; procedural scenes never come twice
    learning_rate: float = 2e-3  # peak
    final_rate: float = 0.03  # of the peak, at the last step
    warmup: int = 100  # steps of linear growth to the peak
    weight_decay: float = 0.05  # on matrices only (paper)
    betas: tuple[float, float] = (0.9, 0.95)  # AdamW (paper)
    clip: float = 1.0  # gradient norm (paper)
    ema: float = 0.998  # decay of the averaged weights that are evaluated and shipped
    perceptual_weight: float = 0.0  # VGG distance, where its weights are on this machine (paper: 0.5)
    ssim_weight: float = 0.02  # 1 - SSIM; stands in for the perceptual term, whose weights we may not ship
    opacity_weight: float = 0.0  # mean opacity: a pull towards few, needed Gaussians (LongLRM); not in the paper
    depth_weight: float = 1.0  # opacity-weighted log-depth error at the first step, where exact depth is known
    final_depth_weight: float = 0.1  # the same at the last; it fades linearly
    precision: Literal["fp32", "bf16"] = "fp32"  # of the matrix products; the residual stream stays in float32
    checkpointing: bool = False  # each block runs again in the backward pass: less memory, a third more time
    deferred: bool = False  # images are rendered again, one by one, in the backward pass: memory of one view
    read_every: int = 1  # mini-batch cross attention: every k-th token, see `model.blocks.MiniBatch`
    seed: int = 0
