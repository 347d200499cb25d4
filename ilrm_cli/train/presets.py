"""Named training recipes: model, initial weights and training settings."""

from dataclasses import dataclass, replace
from typing import Any

from ilrm_cli.models.ilrm.config import IlrmConfig
from ilrm_cli.models.layers.config import MatchingConfig
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.train.config import DEFAULT_MODEL, FrameGap, Spread, TrainConfig


@dataclass(frozen=True)
class Recipe:
    """A preset of `ilrm train`."""

    summary: str  # one line for people
    train: TrainConfig
    model: IlrmConfig  # of a run from random weights
    start: str | None = None  # model whose weights a new run starts from; None: random ones


# The paper's training of its wide models (arXiv 2507.23277): 8 views of RE10K first, DL3DV from there.
PAPER = TrainConfig(
    steps=50_000,
    batch=256,
    data=(),  # the user's own data: --data
    long_sides_px=(256,),
    aspects=((1, 1),),
    min_views=8,
    max_views=8,
    targets=4,
    inputs_rendered=0,
    frames=FrameGap(),
    flip=0.5,
    learning_rate=2e-4,
    final_rate=0.0,
    warmup=2_500,
    perceptual_weight=0.5,
    ssim_weight=0.0,
    depth_weight=0.0,
    final_depth_weight=0.0,
    precision="bf16",
    checkpointing=True,
    deferred=True,
)

PRESETS: dict[str, Recipe] = {
    "cpu": Recipe(
        "the shipped model, trained on with a CPU",
        TrainConfig(
            steps=3_000,
            long_sides_px=(96, 128, 192, 256),
            max_views=10,
            learning_rate=1e-3,
            warmup=60,
            depth_weight=0.3,
        ),
        DEFAULT_MODEL,
        start="default",
    ),
    "gpu": Recipe(
        "the shipped model, trained on with one large GPU or several",
        TrainConfig(
            steps=20_000,
            batch=64,
            long_sides_px=(128, 192, 256),
            max_views=12,
            targets=4,
            learning_rate=1e-3,
            warmup=200,
            ema=0.999,
            depth_weight=0.3,
            precision="bf16",
            deferred=True,
        ),
        DEFAULT_MODEL,
        start="default",
    ),
    "tiny": Recipe(
        "a toy model at 32 px: for trying out and for tests",
        TrainConfig(steps=200, batch=2, long_sides_px=(32,), max_views=4, targets=2, warmup=10),
        replace(DEFAULT_MODEL, layers=2, width=32, head_width=16, matching=MatchingConfig(planes=16), max_views=4),
    ),
    "paper-re10k": Recipe(
        "the published recipe for 8 views of RealEstate10K",
        PAPER,
        IlrmConfig(max_views=8, long_side_px=256),
    ),
    "paper-dl3dv": Recipe(
        "the published recipe for wide captures of DL3DV; give the RE10K model by --start",
        replace(
            PAPER,
            steps=100_000,
            batch=64,
            long_sides_px=(256, 512, 960),
            sizes="staged",
            aspects=((16, 9),),
            min_views=16,
            max_views=32,
            targets=8,
            frames=Spread(window=(1.0, 1.0)),
        ),
        IlrmConfig(),
    ),
}


def chosen_recipe(preset: str, **overrides: Any) -> Recipe:
    """Return the preset with some fields of `TrainConfig` replaced; fields given as None keep the preset's value.

    A fresh model records the sizes and numbers of views it is trained for. Raises InputError for an unknown preset and
    for invalid settings.
    """
    if preset not in PRESETS:
        raise InputError(f"--preset {preset}: no such preset; there are {', '.join(PRESETS)}.")
    recipe = PRESETS[preset]
    config = replace(recipe.train, **{name: value for name, value in overrides.items() if value is not None})
    if not 2 <= config.min_views <= config.max_views:
        raise InputError(f"--views {config.min_views}-{config.max_views}: give the least, at least 2, and the most.")
    if not config.data:
        raise InputError(f"--preset {preset} trains on captures of your own; name their folder with --data.")
    if config.warmup >= config.steps:
        raise InputError(f"--warmup {config.warmup} leaves nothing of {config.steps} steps; shorten it.")
    model = replace(
        recipe.model,
        min_views=config.min_views,
        max_views=config.max_views,
        long_side_px=max(config.long_sides_px),
    )
    return replace(recipe, train=config, model=model)


def view_range(text: str | None) -> dict[str, int | None]:
    """Parse "2-12" or "8" into fields of `TrainConfig`. Raises InputError for anything else."""
    if text is None:
        return {"min_views": None, "max_views": None}
    parts = text.split("-")
    if len(parts) > 2 or not all(part.isdecimal() for part in parts):
        raise InputError(f"--views {text}: give a number of input views, or the least and the most as in 2-12.")
    return {"min_views": int(parts[0]), "max_views": int(parts[-1])}
