"""`ilrm mesh`."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ilrm_cli.cli.console import Detail, Result, face
from ilrm_cli.cli.options import AsJson, Overwrite, Quiet, Verbose, takes
from ilrm_cli.pipeline.settings import FACES, TEXTURED_FACES, Crop, MeshSettings, crop_of
from ilrm_cli.runtime.errors import InputError

if TYPE_CHECKING:
    from ilrm_cli.pipeline.export_mesh import WrittenMesh


def crop(text: str) -> Crop:
    """Parse --crop. Raises BadParameter."""
    try:
        return crop_of(text)
    except InputError as error:
        raise typer.BadParameter(str(error).removeprefix("--crop ")) from None


# What each field of `MeshSettings` is on the command line.
MESH = {
    "resolution": Annotated[
        int | None,
        typer.Option(
            help="Cells along the longest side. Default: as pictures and memory allow, 384 at most.", min=8, max=2048
        ),
    ],
    "crop": Annotated[
        Any,
        typer.Option(
            parser=crop,
            metavar="seen|subject|X,Y,Z,X,Y,Z",
            help="What becomes a mesh: seen, all but the far background; subject, what the cameras look at; or the "
            "least and the greatest corner of a box, X,Y,Z,X,Y,Z.",
        ),
    ],
    "watertight": Annotated[
        bool, typer.Option("--watertight", help="Close the mesh: what no camera saw counts as solid.")
    ],
    "metres": Annotated[bool, typer.Option("--metres", help="Write it in metres, if `ilrm measure` knows the size.")],
    "faces": Annotated[
        int | None,
        typer.Option(
            help="Triangles, about, at most; 0: as many as are found. "
            f"Default: {FACES}, with --texture {TEXTURED_FACES}.",
            min=0,
        ),
    ],
    "texture": Annotated[
        bool, typer.Option("--texture", help="Paint it with an image instead of a colour per vertex (.glb, .obj).")
    ],
}


@takes(MeshSettings, **MESH)
def mesh(
    scene: Annotated[Path, typer.Argument(help="A scene that ilrm made, with its record beside it.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The mesh to write: .glb, .ply, .obj or .stl.")],
    *,
    settings: MeshSettings,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Make a mesh with colours of a scene, for other programs: .glb, .ply, .obj or .stl."""
    with face("mesh", as_json, quiet, verbose) as shown:
        from ilrm_cli.scene.checks import check_mesh_output, suffix_of_file

        suffix_of_file(scene)
        check_mesh_output(output, scene, overwrite, painted=settings.texture)
        shown.reading(str(scene))

        from ilrm_cli.pipeline.export_mesh import write_mesh_of

        with shown.progress() as report:
            written = write_mesh_of(scene, output, settings, report)
        shown.end(Result(data_of(written, output), lines_of(written, output, settings.metres), written.warnings))


def data_of(written: "WrittenMesh", output: Path) -> dict[str, object]:
    """Return what --json prints; lengths are in the unit of the file."""
    made = written.made
    return {
        "output": str(output),
        "files": [str(path) for path in written.files],
        "bytes": written.bytes,
        "vertices": len(made.mesh.vertices),
        "triangles": len(made.mesh.triangles),
        "triangles_found": made.found,
        "triangles_of_islands": made.dropped,
        "cell": made.cell * written.scale,
        "cells": made.cells,
        "views": made.views,
        "outside": made.outside,
        "covered": made.covered,
        "closed": made.closed,
        "texture_px": list(made.mesh.texture.image.shape[:0:-1]) if made.mesh.texture else None,
        "area": float(made.mesh.areas.sum()) * written.scale**2,
        "volume": made.mesh.volume * written.scale**3 if made.closed else None,
        "y_up": written.turned,
        "warnings": written.warnings,
    }


def lines_of(written: "WrittenMesh", output: Path, metres: bool) -> Iterator[str | Detail]:
    """Yield what the mesh is, and what it leaves out."""
    made = written.made
    unit, scale = ("m", written.scale) if metres else ("units", 1.0)
    volume = f"closed, of volume {made.mesh.volume * scale**3:.4g} {unit}³"
    gaps = "open where no camera saw a surface" if made.views else "not closed everywhere"
    state = volume if made.closed else gaps
    yield f"{len(made.mesh.triangles):,} triangles, {state}, details of {made.cell * scale:.3g} {unit}: {output}"
    shows = f"It shows {made.covered:.0%} of the surfaces that the cameras see in its box."
    yield shows if made.views else "It is the surface of the field."
    if made.mesh.texture:
        height, width = made.mesh.texture.image.shape[1:]
        yield f"Its texture has {width} x {height} pixels."
    if len(written.files) > 1:
        yield f"It needs what lies beside it: {', '.join(path.name for path in written.files[1:])}."
    turned = ", turned so that y is up, as the format asks" if written.turned else ""
    frame = "It is in metres and its origin is that of" if metres else "Scale and origin are those of"
    yield f"{frame} the scene{turned}."
    if made.outside >= 0.005:
        yield f"{made.outside:.0%} of what the cameras see lies outside of the mesh's box: see --crop."
    yield Detail(
        f"grid of {' x '.join(map(str, made.cells))} cells" + (f" from {made.views} views" if made.views else "")
    )
    yield Detail(f"{made.found:,} triangles before thinning, {made.dropped:,} more in small islands")
