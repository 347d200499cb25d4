"""The plan of an evaluation, and checks of it; imports nothing heavy."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ilrm_cli.capture.photos.folder import Origin, check_views
from ilrm_cli.runtime.errors import InputError

ProtocolName = Literal["folder", "re10k", "dl3dv", "synthetic"]


@dataclass(frozen=True)
class Plan:
    """The user's choices."""

    protocol: ProtocolName = "folder"
    views: tuple[int, ...] = ()  # numbers of inputs; empty: the protocol's own
    index: Path | None = None  # re10k: the evaluation index; dl3dv: the list of input frames, or None
    poses: Origin = "auto"  # folder: source of the poses
    long_side_px: int | None = None  # None: the protocol's, or the model's training size
    limit: int | None = None  # maximum number of scenes
    seed: int = 0


def check_plan(plan: Plan, paths: Sequence[Path], synthetic: int = 0) -> None:
    """Raise InputError for inconsistent choices, regardless of the scenes' content."""
    check_views(min(plan.views, default=None))
    if plan.index is not None and plan.protocol not in ("re10k", "dl3dv"):
        raise InputError("--index belongs to --protocol re10k or dl3dv; name that protocol, or leave --index out.")
    if plan.poses != "auto" and plan.protocol != "folder":
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
