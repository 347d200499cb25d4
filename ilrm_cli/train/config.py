"""What one training run does, and named recipes: which model, from which weights, and how it is trained."""

from dataclasses import dataclass, field, replace
from typing import Any, Literal

from ilrm_cli.data.synthetic.heads.config import SHAPES
from ilrm_cli.models.avat3r.config import Avat3rConfig
from ilrm_cli.models.grm.config import GrmConfig
from ilrm_cli.models.gs_lrm.config import GsLrmConfig
from ilrm_cli.models.ilrm.config import IlrmConfig
from ilrm_cli.models.layers.config import HeadConfig, MatchingConfig, PyramidConfig
from ilrm_cli.models.long_lrm.config import LongLrmConfig
from ilrm_cli.runtime.errors import InputError

# Small enough for a laptop; all head options that make a small model learn early (see MODEL_CARD.md).
DEFAULT_MODEL = IlrmConfig(
    layers=2,
    width=128,
    head_width=64,
    patch=8,
    head=HeadConfig(depth="volume", scale="footprint", opacity_shift=0.0, rotation="camera", color="pixel"),
    matching=MatchingConfig(background=4, points=512),
    pyramid=PyramidConfig(feedback=True),
    backdrop=True,
    max_views=12,
    long_side_px=256,
    fov_deg=(35.0, 95.0),
    baseline_to_depth=(0.04, 2.2),  # from a second of video to a circle around the scene
)

ASPECTS = ((4, 3), (3, 2), (1, 1), (16, 9), (3, 4), (2, 3))  # width : height, of cameras and phones

STATE_FILE = "state.pt"  # in the run's folder: everything needed to resume
FRESH = "fresh"  # as the start of a run: random weights
SYNTHETIC = "synth"  # as a data source: the endless procedural scenes
OBJECTS = "objects"  # as a data source: the endless procedural objects, alone on white
HEADS = "heads"  # as a data source: the endless morphable heads, each photo with an expression of its own
STILL_HEADS = "still-heads"  # the same, but for the inputs of a sample, which share one expression
OF_HEADS = (HEADS, STILL_HEADS)
MADE_UP = (SYNTHETIC, OBJECTS, *OF_HEADS)


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
    data: tuple[str, ...] = (SYNTHETIC,)  # one is drawn per scene: "synth", "objects" or folders, see `sources.py`
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


@dataclass(frozen=True)
class Recipe:
    """A preset of `ilrm train`."""

    train: TrainConfig
    model: Any  # configuration of a run from random weights, of any architecture
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

# One head and about half a million parameters for each: what differs is how views exchange what they see.
TINY_HEAD = HeadConfig(depth="between", offset=False, log_scale_shift=-3.5, color="pixel")
TINY_OBJECTS = TrainConfig(
    steps=2_000,
    batch=2,
    data=(OBJECTS,),
    long_sides_px=(32,),
    aspects=((1, 1),),
    min_views=4,
    max_views=4,
    targets=4,
    warmup=50,
)
TINY_MODELS = {
    "gs-lrm": GsLrmConfig(layers=4, width=96, head_width=32, patch=4, head=TINY_HEAD),
    "long-lrm": LongLrmConfig(
        "mmmmmmt", (48, 96), (1,), 32, state=16, scan_head_width=32, patch=2, head=TINY_HEAD, kept=1.0
    ),
    "grm": GrmConfig(
        layers=2,
        width=96,
        head_width=32,
        patch=8,
        places=16,
        widths=(64, 32),
        window=64,
        head=replace(TINY_HEAD, depth="orbit"),
    ),
}

# A toy that animates the morphable heads of `ilrm_cli.data.synthetic.heads`, from four of their photos.
AVATAR = Avat3rConfig(
    self_layers=2,
    cross_layers=2,
    width=96,
    head_width=32,
    patch=4,
    places=64,
    widths=(64,),
    window=64,
    code=len(SHAPES),
    features=0,
    head=HeadConfig(
        depth="mapped", offset=False, scale="footprint", opacity_shift=0.0, rotation="camera", color="pixel"
    ),
)

PRESETS: dict[str, Recipe] = {
    "cpu": Recipe(  # the default model, trained on with a CPU
        TrainConfig(
            steps=1_700,
            long_sides_px=(96, 96, 96, 128, 128, 192, 256),  # most steps where scenes are cheap
            sizes="staged",
            max_views=10,
            learning_rate=1e-3,
            warmup=60,
            ema=0.995,
            depth_weight=0.3,
        ),
        DEFAULT_MODEL,
        start="default",
    ),
    "gpu": Recipe(  # the default model, trained on with one large GPU or several
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
    "tiny": Recipe(  # a toy model at 32 px: for trying out and for tests
        TrainConfig(steps=200, batch=2, long_sides_px=(32,), max_views=4, targets=2, warmup=10),
        replace(
            DEFAULT_MODEL,
            width=32,
            head_width=16,
            patch=4,
            matching=MatchingConfig(planes=16),
            pyramid=PyramidConfig(widths=(16, 24), feedback=True),
            max_views=4,
        ),
    ),
    **{
        f"tiny-{name}": Recipe(TINY_OBJECTS, model)  # toys for objects at 32 px, to compare with each other
        for name, model in TINY_MODELS.items()
    },
    # No input is in the loss: its photo shows another expression than the one that is drawn.
    "tiny-avat3r": Recipe(replace(TINY_OBJECTS, data=(HEADS,), inputs_rendered=0), AVATAR),
    "paper-re10k": Recipe(  # the published recipe for 8 views of RealEstate10K
        PAPER,
        IlrmConfig(max_views=8, long_side_px=256),
    ),
    "paper-dl3dv": Recipe(  # the published recipe for wide captures of DL3DV; give the RE10K model by --start
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
