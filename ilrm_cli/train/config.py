"""What one training run does, and the configuration of the model we ship."""

from dataclasses import dataclass

from ilrm_cli.model.config import HeadConfig, IlrmConfig, MatchingConfig

# Small enough for a laptop; every option of the head that makes a small model learn early (see MODEL_CARD.md).
DEFAULT_MODEL = IlrmConfig(
    layers=4,
    width=128,
    head_width=32,
    patch=4,
    head=HeadConfig(depth="matched", scale="footprint", opacity_shift=0.0, rotation="camera", color="pixel"),
    matching=MatchingConfig(),
    max_views=12,
    long_side_px=256,
)


@dataclass(frozen=True)
class TrainConfig:
    """One run. Every step draws fresh scenes from (seed, step), so a resumed run sees what an unbroken one would."""

    steps: int = 10_000  # optimizer steps in all; the learning rate follows a cosine over them
    batch: int = 4  # scenes per step at the smallest size; larger images come in smaller batches of as many pixels
    long_sides_px: tuple[int, ...] = (64,)  # image sizes, one of them drawn per step
    min_views: int = 2  # inputs per scene are drawn uniformly between these two, per step
    max_views: int = 8
    targets: int = 3  # other views per scene that the loss looks at
    inputs_rendered: int = 1  # inputs per scene that it looks at too: keeps other views' Gaussians out of their way
    learning_rate: float = 2e-3  # peak
    final_rate: float = 0.03  # of the peak, at the last step
    warmup: int = 100  # steps of linear growth to the peak
    weight_decay: float = 0.05  # on matrices only (paper)
    betas: tuple[float, float] = (0.9, 0.95)  # AdamW (paper)
    clip: float = 1.0  # gradient norm (paper)
    ema: float = 0.998  # decay of the averaged weights that are evaluated and shipped
    ssim_weight: float = 0.02  # stands in for the paper's perceptual loss, whose weights we may not ship
    depth_weight: float = 1.0  # opacity-weighted log-depth error at the first step: exact depth is known here
    final_depth_weight: float = 0.1  # the same at the last; it fades linearly
    seed: int = 0


ASPECTS = ((4, 3), (3, 2), (1, 1), (16, 9), (3, 4), (2, 3))  # width : height, drawn uniformly per step
