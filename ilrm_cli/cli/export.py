"""`ilrm export`."""

from pathlib import Path
from typing import Annotated

import typer

from ilrm_cli.cli.console import face
from ilrm_cli.cli.options import AsJson, Device, Overwrite, Quiet, Verbose

MB = 1e6


def export(
    scene: Annotated[Path, typer.Argument(help="A scene, ours or another tool's.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write; its suffix names the format.")],
    device: Device = "auto",
    overwrite: Overwrite = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Write a scene in another format, read it back and compare."""
    with face("export", as_json, quiet, verbose) as shown:
        from ilrm_cli.conversion import convert
        from ilrm_cli.devices import resolve_device

        with shown.progress() as report:
            made = convert(scene, output, overwrite=overwrite, device=resolve_device(device), report=report)
        shown.warn(made.warnings)
        shown.say(
            f"{made.gaussians:,} Gaussians, {made.output_bytes / MB:.1f} MB of {made.input_bytes / MB:.1f} MB, "
            f"{made.psnr_db:.1f} dB PSNR against {scene.name} in {made.views} views: {output}"
        )
        result = {"command": "export", "status": "ok", **vars(made)}
        shown.finish(result | {"output": str(output), "warnings": list(made.warnings)})
