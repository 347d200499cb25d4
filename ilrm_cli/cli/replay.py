"""`ilrm replay`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ilrm_cli.cli.console import Face, face
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
        show(shown, done)
        paths = {"photos": str(done.photos), "output": None if done.output is None else str(done.output)}
        shown.finish({"command": "replay", "status": "ok", **asdict(done), **paths})
    if not done.identical:
        raise typer.Exit(EXIT_DIFFERENT)


def show(shown: Face, done: "Replay") -> None:
    shown.warn(done.warnings)
    shown.detail(f"sha256 {done.sha256}, recorded {done.recorded_sha256}")
    if done.identical:
        shown.say(f"Identical to the last bit (sha256 {done.sha256[:12]}).")
    else:
        shown.say("Not identical. What may be why:")
        for cause in done.causes:
            shown.say(f"  {cause}")
        if apart := done.distance:
            before, now = apart.gaussians
            counts = f"{now:,} Gaussians" if before == now else f"{before:,} Gaussians before, {now:,} now"
            moved = "" if apart.farthest_mean is None else f"; no centre moved by more than {apart.farthest_mean:.3g}"
            seen = "" if apart.psnr is None else f"; {apart.psnr:.1f} dB between the two as the inputs see them"
            shown.say(f"How far apart: {counts}{moved}{seen}.")
    if done.output is not None:
        shown.say(f"Made again: {done.output}")
