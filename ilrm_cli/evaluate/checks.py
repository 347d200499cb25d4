"""What the user evaluates, and on what, and checks of it; imports nothing heavy."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

from ilrm_cli.capture.photos.folder import PoseSource, check_views
from ilrm_cli.pipeline import settings as pipeline
from ilrm_cli.runtime.errors import InputError

QUALITIES: tuple[pipeline.Quality, ...] = get_args(pipeline.Quality)  # from the least effort on
EXACT = "exact"  # of procedural scenes: the surface that was drawn
SEVERAL = "scores are of scenes from several; name another model"  # why models of one photo are refused
ProtocolName = Literal["folder", "every-eighth", "re10k", "dl3dv", "synthetic"]


@dataclass(frozen=True)
class Plan:
    """Which scenes and photos the user evaluates on."""

    protocol: ProtocolName = "folder"
    views: tuple[int, ...] = ()  # numbers of inputs; empty: the protocol's own
    index: Path | None = None  # re10k: the evaluation index; dl3dv: the list of input frames, or None
    poses: PoseSource = "auto"  # folder, every-eighth: source of the poses
    long_side_px: int | None = None  # None: the protocol's, or the model's training size
    limit: int | None = None  # maximum number of scenes
    seed: int = 0


@dataclass(frozen=True)
class Settings:
    """What the user evaluates."""

    model: str = "default"
    refine: int = 0  # iterations; 0 scores the prediction alone
    qualities: tuple[pipeline.Quality, ...] = ()  # of reconstructions (every-eighth; empty: the usual one) or fits
    minutes: float | None = None  # every-eighth: that each fit takes, instead of its steps
    baselines: bool = True
    geometry: str | None = None  # the true surface: EXACT, or a scan (.ply, .mlp); None: not judged
    tolerance: float | None = None  # within which surfaces agree, in the unit of the scan; None: the benchmark's
    device: pipeline.Device = "auto"
    precision: pipeline.Precision = "auto"
    compile: bool = False  # whether to compile the update layers, see `models.ilrm.compiled`


def check_plan(plan: Plan, paths: Sequence[Path], synthetic: int = 0) -> None:
    """Raise InputError for inconsistent choices, regardless of the scenes' content."""
    check_views(min(plan.views, default=None))
    if plan.index is not None and plan.protocol not in ("re10k", "dl3dv"):
        raise InputError("--index belongs to --protocol re10k or dl3dv; name that protocol, or leave --index out.")
    if plan.protocol == "every-eighth" and len(plan.views) > 1:
        raise InputError("--protocol every-eighth takes one number of --views; name the one to reconstruct with.")
    if plan.poses != "auto" and plan.protocol not in ("folder", "every-eighth"):
        raise InputError(f"--poses {plan.poses} is for folders of photos; leave it out here.")
    if plan.protocol == "synthetic" and synthetic < 1:
        raise InputError("--synthetic: say how many procedural scenes, at least 1.")
    if plan.protocol != "synthetic" and not paths:
        raise InputError("no scene is named; give folders, or --synthetic N for procedural scenes.")
    if plan.protocol == "re10k" and plan.index is None:
        raise InputError("--protocol re10k needs --index with pixelSplat's evaluation_index_re10k.json.")
    if plan.protocol == "re10k" and (plan.views or plan.long_side_px):
        raise InputError("--protocol re10k states views and size itself; leave --views and --size out.")
    if plan.protocol == "dl3dv" and plan.index is not None and plan.views:
        raise InputError("--index lists the inputs of each scene itself; leave --views out.")


def check_geometry(geometry: str | None, plan: Plan, scenes: int, tolerance: float | None = None) -> None:
    """Raise InputError for a true surface that the scenes cannot be compared with."""
    if tolerance is not None and geometry in (None, EXACT):
        raise InputError("--tolerance is for --geometry with a scan, in whose unit it is; leave it out.")
    if geometry is None:
        return
    if geometry == EXACT:
        if plan.protocol != "synthetic":
            raise InputError("--geometry exact is for procedural scenes; add --synthetic N, or name a scan as .ply.")
    elif plan.protocol != "folder" or scenes != 1:
        raise InputError("--geometry with a scan is for one folder of photos; name one, or --geometry exact.")
    elif not Path(geometry).is_file():
        raise InputError(f"--geometry {geometry}: there is no such file; name a scan or mesh as .ply, or exact.")


def parse_qualities(text: str | None) -> tuple[pipeline.Quality, ...]:
    """Parse "draft,high"; return each quality once, from the least effort on. Raises InputError for anything else."""
    names = text.split(",") if text else []
    if unknown := [name for name in names if name not in QUALITIES]:
        raise InputError(f"--quality {unknown[0]}: name {', '.join(QUALITIES)}, with commas between them.")
    return tuple(quality for quality in QUALITIES if quality in names)


def reconstructions(plan: Plan, settings: Settings) -> tuple[pipeline.Settings, ...]:
    """Return the settings of the reconstructions that every-eighth scores; `Settings.refine` is for the draft.

    Raises InputError for qualities or minutes with another protocol, and for what contradicts itself.
    """
    if plan.protocol != "every-eighth":
        if settings.qualities and (settings.geometry is None or "draft" in settings.qualities):
            raise InputError(
                "--quality is for whole reconstructions, and fits whose surfaces are judged; add --protocol "
                "every-eighth, or --geometry and name standard or high, or leave it out."
            )
        if settings.minutes is not None:
            raise InputError("--minutes is for whole reconstructions; add --protocol every-eighth, or leave it out.")
        return ()
    first = pipeline.Settings(
        views=plan.views[0] if plan.views else None,
        poses=plan.poses,
        model=settings.model,
        device=settings.device,
        precision=settings.precision,
        compile=settings.compile,
        seed=plan.seed,
    )
    asked = settings.qualities or (replace(first, refine=settings.refine).settled_quality,)
    draft = replace(first, quality="draft", refine=settings.refine)
    fit = replace(first, minutes=settings.minutes)
    if "draft" not in asked:
        pipeline.check_settings(replace(fit, quality=asked[0], refine=settings.refine))
    elif len(asked) == 1:
        pipeline.check_settings(replace(draft, minutes=settings.minutes))
    made = tuple(draft if quality == "draft" else replace(fit, quality=quality) for quality in asked)
    for one in made:
        pipeline.check_settings(one)
    return made
