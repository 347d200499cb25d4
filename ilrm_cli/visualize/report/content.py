"""The content of a report, collected from a finished reconstruction; independent of its format."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ilrm_cli.capture.photos.folder import ProjectFolder
from ilrm_cli.capture.pose_card import PoseCard
from ilrm_cli.geometry.meshes import Mesh
from ilrm_cli.pipeline.reconstruct import Reconstruction
from ilrm_cli.pipeline.settings import Settings, words_of
from ilrm_cli.pipeline.trace import Trace
from ilrm_cli.runtime.progress import Report as Progress
from ilrm_cli.runtime.progress import ignore
from ilrm_cli.scene.record import SceneRecord
from ilrm_cli.visualize.report.cameras import Layout, layout_of
from ilrm_cli.visualize.report.comparisons import Comparison, comparisons
from ilrm_cli.visualize.report.mesh_views import MeshView, mesh_views
from ilrm_cli.visualize.report.photo_list import PhotoEntry, photo_list


@dataclass(frozen=True)
class Report:
    """The report of one reconstruction."""

    title: str  # see `ProjectFolder.title`
    summary: Mapping[str, Any]  # as printed by `--json`, see `pipeline.result`
    photos: tuple[PhotoEntry, ...]  # all photos offered
    comparisons: tuple[Comparison, ...]  # one per scored photo
    mesh: tuple[MeshView, ...]  # empty: none was asked for
    layout: Layout
    trace: Trace | None  # how the scene formed; None if not requested
    card: PoseCard
    record: SceneRecord  # as written beside the scene
    settings: Mapping[str, Any]  # as JSON values
    command: str  # shell command that makes the scene again


def report_of(
    result: Reconstruction,
    record: SceneRecord,
    summary: Mapping[str, Any],
    folder: ProjectFolder,
    progress: Progress = ignore,
    *,
    mesh: Mesh | None = None,
) -> Report:
    """Collect the report of a reconstruction of a folder's photos that was exported with this record.

    It shows the mesh, in the frame of the record, if one was written.
    """
    listed = photo_list(result, progress)
    return Report(
        title=folder.title,
        summary=summary,
        photos=listed,
        comparisons=comparisons(result, progress),
        mesh=mesh_views(mesh, record, progress) if mesh is not None else (),
        layout=layout_of(result, listed),
        trace=result.trace,
        card=result.pose_card,
        record=record,
        settings=asdict(result.settings),
        command=command_of(folder.arguments, Path(summary["output"]), result.settings),
    )


def command_of(photos: Sequence[Path], output: Path, settings: Settings) -> str:
    """Return the command line for these settings; options at their defaults are omitted."""
    return shlex.join(["ilrm", "reconstruct", *map(str, photos), "-o", str(output), *words_of(settings)])
