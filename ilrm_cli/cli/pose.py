"""`ilrm pose`, and the pose card in words, which `ilrm reconstruct --verbose` shows too."""

import dataclasses
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ilrm_cli.capture.photos.folder import PoseSettings, open_photos
from ilrm_cli.cli.console import Detail, Result, face
from ilrm_cli.cli.options import AsJson, Overwrite, Photos, Quiet, Verbose, offer_of, takes

if TYPE_CHECKING:
    from ilrm_cli.capture.pose_card import PoseCard
    from ilrm_cli.capture.write_posed import Posed

MATRIX_UP_TO = 12  # photos whose pairwise overlap fits on the screen
NAME_WIDTH = 16  # characters of a photo's name next to the matrix


@takes(PoseSettings)
def pose(
    photos: Photos,
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

        folder = open_photos(photos)
        folder.require(settings.poses, settings.camera)
        check_output_folder(output, folder.place, overwrite)
        shown.reading(offer_of(folder))

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


def card_lines(card: "PoseCard") -> Iterator[str]:
    """Yield one line per figure, and the advice, if any, at the end."""
    yield from (f"{label[0].lower()}{label[1:]}: {figure}" for label, figure in card.figures)
    yield from _overlap_lines(card)
    for clause in card.unlike_training:
        yield f"unlike what the model was trained on: {clause}"
    for sentence in card.advice:
        yield f"advice: {sentence}"


def _overlap_lines(card: "PoseCard") -> Iterator[str]:
    """Yield the points shared by each pair, or for many photos how many others each one shares points with."""
    if card.overlap is None:
        return
    if len(card.names) > MATRIX_UP_TO:
        partners = [sum(count > 0 for count in row) for row in card.overlap]
        yield f"each photo shares points with {min(partners)} to {max(partners)} of {len(card.names) - 1} others"
        return
    yield "points that two photos share:"
    width = max(3, *(len(str(count)) for row in card.overlap for count in row))
    for i, (name, row) in enumerate(zip(card.names, card.overlap, strict=True)):
        cells = " ".join(f"{count:{width}}" if i != j else " " * (width - 1) + "-" for j, count in enumerate(row))
        yield f"  {name[-NAME_WIDTH:]:{NAME_WIDTH}} {cells}"
