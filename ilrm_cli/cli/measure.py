"""`ilrm measure`."""

from pathlib import Path
from typing import Annotated

import typer

from ilrm_cli.cli.console import Result, face
from ilrm_cli.cli.options import AsJson, Quiet, Verbose


def measure(
    scene: Annotated[Path, typer.Argument(help="A scene that ilrm made, with its record beside it.")],
    places: Annotated[
        list[str] | None,
        typer.Argument(
            help="Two places: PHOTO for where it was taken, or 'PHOTO X,Y' for the surface at a pixel of its "
            "picture as the scene has it, mostly smaller than the photo.",
            show_default=False,
        ),
    ] = None,
    known: Annotated[
        str | None, typer.Option("--is", help="Their true distance, such as 0.35m: records how long the unit is.")
    ] = None,
    gps: Annotated[bool, typer.Option("--gps", help="Record how long the unit is by GPS in the photos.")] = False,
    photos: Annotated[
        Path | None, typer.Option(help="Folder of the photos for --gps, if they are not where the record says.")
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Measure a distance in a scene, or tell how long its unit is, from a known length or GPS."""
    with face("measure", as_json, quiet, verbose) as shown:
        from ilrm_cli.runtime.errors import InputError
        from ilrm_cli.scene.checks import existing_record

        if gps and (places or known):
            raise InputError("--gps tells the size by itself; leave places and --is out.")
        if photos and not gps:
            raise InputError("--photos goes with --gps; leave it out.")
        existing_record(scene)
        shown.reading(str(scene))

        from ilrm_cli.pipeline import measure as stage

        with shown.progress() as report:
            found = stage.size_by_gps(scene, photos) if gps else stage.measure(scene, places or (), known, report)
        lines = []
        if found.units is not None:
            real = "" if found.metres is None else f", {found.metres:.4g} m"
            lines.append(f"{found.units:.4g} scene units{real}")
        for name, (width, height) in found.pictures_px.items():
            lines.append(f"in {name} pixels count as the scene has it: at {width}x{height} px")
        if found.gps_error_m is not None:
            lines.append(f"GPS of {found.photos} photos, {found.gps_error_m:.2g} m from their poses in the median")
        if known or gps:
            lines.append(f"one scene unit is {found.metres_per_unit:.4g} m, as {existing_record(scene)} now says")
        shown.end(Result({**vars(found), "metres": found.metres}, lines))
