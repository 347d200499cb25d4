"""All that a report tells, gathered from a finished reconstruction; how it looks is decided elsewhere."""

import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ilrm_cli.io.scene import SceneRecord
from ilrm_cli.pose.card import PoseCard, pose_card
from ilrm_cli.progress import Report as Progress
from ilrm_cli.progress import ignore
from ilrm_cli.reconstruct import Reconstruction, Settings
from ilrm_cli.report.comparisons import Comparison, comparisons
from ilrm_cli.report.layout import Layout, layout_of
from ilrm_cli.report.photo_list import PhotoEntry, photo_list
from ilrm_cli.trace import Trace

OPTIONS = {"long_side_px": "--size"}  # of settings that are not called as their option is


@dataclass(frozen=True)
class Report:
    """One reconstruction, told."""

    title: str  # the name of the folder of photos
    summary: Mapping[str, Any]  # what `--json` prints, see `report.summary`
    photos: tuple[PhotoEntry, ...]  # all that were offered
    comparisons: tuple[Comparison, ...]  # of every photo that was scored
    layout: Layout
    trace: Trace | None  # how the scene formed; None where that was not asked for
    card: PoseCard
    record: SceneRecord  # as written beside the scene
    settings: Mapping[str, Any]  # of the command, as JSON values
    command: str  # for a shell: makes the scene again


def report_of(
    result: Reconstruction,
    settings: Settings,
    record: SceneRecord,
    summary: Mapping[str, Any],
    photos: Path,
    progress: Progress = ignore,
) -> Report:
    """The report of a reconstruction of `photos` that was exported with this record."""
    listed = photo_list(result, progress)
    return Report(
        title=photos.resolve().stem if photos.is_file() else photos.resolve().name,
        summary=summary,
        photos=listed,
        comparisons=comparisons(result, progress),
        layout=layout_of(result, listed),
        trace=result.trace,
        card=pose_card(result.capture),
        record=record,
        settings=asdict(settings),
        command=command_of(photos, Path(summary["output"]), settings),
    )


def command_of(photos: Path, output: Path, settings: Settings) -> str:
    """The command line of these settings: options that differ from the defaults are spelled out."""
    words = ["ilrm", "reconstruct", str(photos), "-o", str(output)]
    usual = asdict(Settings())
    for name, value in asdict(settings).items():
        if value == usual[name]:
            continue
        option = OPTIONS.get(name, f"--{name.replace('_', '-')}")
        if isinstance(value, bool):
            words.append(option if value else option.replace("--", "--no-", 1))
        else:
            words += [option, str(value)]
    return shlex.join(words)
