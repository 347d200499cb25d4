"""`ilrm pose`."""

import dataclasses
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ilrm_cli.capture.photos.folder import PoseSettings, open_folder
from ilrm_cli.cli.console import Detail, Result, face
from ilrm_cli.cli.options import AsJson, Overwrite, Quiet, Verbose, takes
from ilrm_cli.cli.pose_card import card_lines

if TYPE_CHECKING:
    from ilrm_cli.capture.write_posed import Posed


@takes(PoseSettings)
def pose(
    photos: Annotated[
        Path, typer.Argument(help="Folder of photos, with or without a COLMAP model or transforms.json, or a video.")
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for the COLMAP model, transforms.json and photos.")
    ] = Path("posed"),
    *,
    settings: PoseSettings,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Find the camera poses of photos and write them with undistorted photos."""
    start = time.perf_counter()
    with face("pose", as_json, quiet, verbose) as shown:
        from ilrm_cli.capture.checks import check_output_folder

        folder = open_folder(photos)
        folder.require(settings.poses, settings.camera)
        check_output_folder(output, photos, overwrite)

        from ilrm_cli.capture import write_posed as stage
        from ilrm_cli.models.checkpoint import blueprint_of

        default = blueprint_of("default")
        trained_on = default.capabilities.trained_on if default else None
        with shown.progress() as report:
            result = stage.pose(folder, settings, output, overwrite, trained_on, report)
        summary = summarize(result, output, time.perf_counter() - start)
        shown.end(Result(summary, lines_of(result, summary), result.capture.warnings))


def lines_of(result: "Posed", summary: Mapping[str, Any]) -> Iterator[str | Detail]:
    """Yield the photos that are left out, the pose card and how many photos are posed."""
    yield from (Detail(f"{photo.name}: {photo.reason}") for photo in result.capture.left_out)
    yield from card_lines(result.card)
    yield f"{result.card.registered} posed photos in {summary['seconds']:.1f} s: {summary['output']}"


def summarize(result: "Posed", output: Path, seconds: float) -> dict[str, Any]:
    """Return the result as JSON values, as printed by `--json`."""
    return {
        "output": str(output),
        "pose_card": dataclasses.asdict(result.card),
        "left_out": [{"name": photo.name, "reason": photo.reason} for photo in result.capture.left_out],
        "warnings": list(result.capture.warnings),
        "seconds": seconds,
    }
