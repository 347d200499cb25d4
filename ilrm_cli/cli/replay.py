"""`ilrm replay`."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ilrm_cli.cli.console import Detail, Result, face
from ilrm_cli.cli.options import AsJson, Overwrite, Quiet, Verbose

if TYPE_CHECKING:
    from ilrm_cli.pipeline.replay import Replay

EXIT_DIFFERENT = 1  # the scene differs; same status as `cmp` and `diff`


def replay(
    scene: Annotated[Path, typer.Argument(help="The record of a scene, scene.json, or the scene beside it.")],
    photos: Annotated[
        Path | None, typer.Option(help="Folder of photos or video, if they are not where the record says.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Keep what was made. Default: it is only compared.")
    ] = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Make a scene again from its record and say whether it is identical; exit status 1 if it is not."""
    with face("replay", as_json, quiet, verbose) as shown:
        from dataclasses import asdict

        from ilrm_cli.scene.checks import existing_record

        existing_record(scene)

        from ilrm_cli.pipeline.replay import replay as run

        with shown.progress() as report:
            done = run(scene, photos=photos, output=output, overwrite=overwrite, report=report)
        paths = {"photos": str(done.photos), "output": None if done.output is None else str(done.output)}
        exit_status = 0 if done.identical else EXIT_DIFFERENT
        shown.end(Result({**asdict(done), **paths}, lines_of(done), done.warnings, exit_status=exit_status))


def lines_of(done: "Replay") -> Iterator[str | Detail]:
    """Yield whether the scenes are identical, and if not what may be why and how far apart they are."""
    yield Detail(f"sha256 {done.sha256}, recorded {done.recorded_sha256}")
    if done.identical:
        yield f"Identical to the last bit (sha256 {done.sha256[:12]})."
    else:
        yield "Not identical. What may be why:"
        yield from (f"  {cause}" for cause in done.causes)
        if apart := done.distance:
            before, now = apart.gaussians
            counts = f"{now:,} Gaussians" if before == now else f"{before:,} Gaussians before, {now:,} now"
            moved = "" if apart.farthest_mean is None else f"; no centre moved by more than {apart.farthest_mean:.3g}"
            seen = "" if apart.psnr is None else f"; {apart.psnr:.1f} dB between the two as the inputs see them"
            yield f"How far apart: {counts}{moved}{seen}."
    if done.output is not None:
        yield f"Made again: {done.output}"
