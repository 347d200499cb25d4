"""`ilrm export`."""

from pathlib import Path
from typing import Annotated

import typer

from ilrm_cli.cli.console import Face, Result, face
from ilrm_cli.cli.options import AsJson, Device, Overwrite, Quiet, Verbose


def export(
    scene: Annotated[Path, typer.Argument(help="A scene of ilrm or of another tool.")],
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", help="The file to write, whose suffix names the format; or a folder for depth maps."
        ),
    ],
    max_mb: Annotated[
        float | None,
        typer.Option(help="Size limit of a .html; leaves out the Gaussians that add least to the input views.", min=0),
    ] = None,
    spz_version: Annotated[
        int | None,
        typer.Option(help="Version of a .spz: 3, which every reader knows, or 4.", min=3, max=4, show_default="3"),
    ] = None,
    device: Device = "auto",
    overwrite: Overwrite = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Write a scene in another format, as a page (.html) to open in a browser, or as depth maps (a folder)."""
    with face("export", as_json, quiet, verbose) as shown:
        from ilrm_cli.runtime.errors import InputError
        from ilrm_cli.scene.checks import PAGE, check_conversion, suffix_of

        to_page = output.suffix.lower() == PAGE
        if not output.suffix and max_mb is None and spz_version is None:
            if device != "auto":
                raise InputError("--device: depth maps are drawn on the CPU wherever they are made; leave it out.")
            shown.end(depth_of(scene, output, overwrite, shown))
            return
        if not to_page:
            suffix_of(output)
            if max_mb is not None:
                raise InputError(f"--max-mb goes with a page; name an --output that ends in {PAGE}.")
        if spz_version is not None and not output.name.lower().endswith(".spz"):
            raise InputError("--spz-version goes with a .spz; name an --output that ends so.")
        check_conversion(scene, output, overwrite)
        shown.reading(str(scene))

        from ilrm_cli.pipeline.field_match import match_of_file
        from ilrm_cli.runtime.devices import resolve_device
        from ilrm_cli.scene.convert import Converted, convert
        from ilrm_cli.visualize.page.build import MB, share

        chosen = resolve_device(device)
        made: Converted
        with shown.progress() as report:
            if to_page:
                made = share(scene, output, max_mb=max_mb, overwrite=overwrite, device=chosen, report=report)
            else:
                made = convert(
                    scene, output, spz_version=spz_version, overwrite=overwrite, device=chosen, report=report
                )
            field = match_of_file(scene, chosen, report)
        against = "its Gaussians" if field else scene.name
        lines = [
            f"{made.gaussians:,} Gaussians, {made.output_bytes / MB:.1f} MB from {made.input_bytes / MB:.1f} MB, "
            f"{made.psnr_db:.1f} dB PSNR against {against} in {made.views} view{'s' * (made.views != 1)}: {output}"
        ]
        if field:
            views = field["views"]
            lines += [f"They show the field with {field['psnr']:.1f} dB, in {views} view{'s' * (views != 1)}."]
        shown.end(Result({**vars(made), "output": str(output), "field": field}, lines, made.warnings))


def depth_of(scene: Path, folder: Path, overwrite: bool, shown: Face) -> Result:
    """Write depth maps into a folder, and return what to say about them."""
    from ilrm_cli.scene.checks import check_depth_output, suffix_of_file

    suffix_of_file(scene)
    check_depth_output(folder, overwrite)
    shown.reading(str(scene))
    from ilrm_cli.pipeline.export_depth import write_depth

    with shown.progress() as report:
        made = write_depth(scene, folder, report)
    line = (
        f"Depth, normals and trust of {made.views} views, known for {made.known:.0%} of their pixels, and a cloud of "
        f"{made.points:,} points: {folder}"
    )
    return Result({**vars(made), "output": str(folder)}, [line], made.warnings)
