"""`ilrm synth`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from ilrm_cli.cli.console import Face, Result, face
from ilrm_cli.cli.options import AsJson, Overwrite, Quiet, Seed
from ilrm_cli.data.synthetic.heads.config import EXPRESSIONS_NAME, HEAD_NAME, HeadOrder
from ilrm_cli.runtime.errors import InputError

COLUMNS = ("scene", "kind", "views", "fov", "depth 5-50-95 %", "base", "overlap", "light")
WHITE_BALANCE = 1 / 3  # spread of white balance relative to exposure: phones keep it more stable
POSITION_NOISE = (
    0.02  # error of positions, in median depths, for each degree of rotation: about what moves a pixel as far
)
SCENE_VIEWS = 8  # photos of a scene, unless --views asks for others
ROWS_SHOWN = 40  # scenes in the table; the mean is over all


def synth(
    out: Annotated[Path, typer.Argument(help="Folder for the scenes, one folder each.", show_default=False)],
    scenes: Annotated[int, typer.Option("--scenes", "-n", help="How many scenes.", min=1)] = 8,
    seed: Seed = 0,
    first: Annotated[int, typer.Option(help="Number of the first scene.", min=0)] = 0,
    views: Annotated[
        int | None, typer.Option(help="Photos of each scene. Default: 8; 4 of a head.", min=2, show_default=False)
    ] = None,
    size: Annotated[int, typer.Option(help="Size of the photos: their long side in px.", min=16)] = 256,
    aspect: Annotated[str, typer.Option(help="Width to height, such as 4:3, 16:9 or 3:4.")] = "4:3",
    kind: Annotated[str | None, typer.Option(help="Kind of all scenes, such as room or statue. Default: any.")] = None,
    samples: Annotated[int, typer.Option(help="Rays per pixel.", min=1)] = 8,
    drift: Annotated[float, typer.Option(help="Spread of exposure between photos, as share.", min=0, max=1)] = 0.0,
    noise: Annotated[float, typer.Option(help="Sensor noise at full brightness, in [0, 1].", min=0, max=1)] = 0.0,
    jpeg: Annotated[int | None, typer.Option(help="Quality of JPEG that photos went through.", min=1, max=95)] = None,
    pose_noise: Annotated[float, typer.Option(help="Error of poses in degrees, as SfM leaves it.", min=0)] = 0.0,
    normals: Annotated[bool, typer.Option("--normals", help="Write surface normals too.")] = False,
    heads: Annotated[
        bool,
        typer.Option(
            "--heads", help="Write heads for `ilrm animate`: each photo with an expression and a position map."
        ),
    ] = False,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Generate synthetic scenes: photos with exact cameras and depth, as COLMAP folders."""
    with face("synth", as_json, quiet) as shown:
        from dataclasses import asdict

        from ilrm_cli.data.checks import check_folder, picture_size
        from ilrm_cli.runtime.progress import Step

        width, height = picture_size(aspect, size)
        check_folder(out, overwrite)
        if heads:
            given = {"--kind": kind, "--drift": drift, "--noise": noise, "--jpeg": jpeg, "--pose-noise": pose_noise}
            require_plain({**given, "--normals": normals})
            photos = HeadOrder.views if views is None else views
            _write_heads(shown, out, HeadOrder(scenes, seed, first, photos, width, height), overwrite)
            return

        from ilrm_cli.data.synthetic.collection import SHEET_NAME, Order, check_order, write_collection
        from ilrm_cli.data.synthetic.dataset import Shooting
        from ilrm_cli.data.synthetic.sensor import Photometry, PoseNoise
        from ilrm_cli.runtime.threads import usable_cores

        photometry = Photometry(drift, drift * WHITE_BALANCE, noise, None if jpeg is None else (jpeg, jpeg))
        shaken = PoseNoise(pose_noise, pose_noise * POSITION_NOISE) if pose_noise > 0 else None
        photos = SCENE_VIEWS if views is None else views
        shooting = Shooting(
            photos, width, height, samples, kind=kind, normals=normals, photometry=photometry, pose_noise=shaken
        )
        order = Order(scenes, seed, first, shooting, usable_cores())
        check_order(out, order, overwrite)
        written = []
        shown.kept_as_json = {"scenes": 0}
        with shown.progress() as report:
            for scene in write_collection(out, order):
                written.append(scene)
                report(Step("scenes", len(written), scenes, scene.statistics.kind))
                shown.kept = f"{len(written)} whole scenes are in {out}"
                shown.kept_as_json = {"scenes": len(written)}
        records = [asdict(scene.statistics) for scene in written]
        table = _table([scene.folder.name for scene in written], records)
        line = f"{len(written)} scenes in {out}; pictures of them in {out / SHEET_NAME}"
        rows = [{"folder": str(scene.folder), **record} for scene, record in zip(written, records, strict=True)]
        shown.end(Result({"scenes": rows}, [table, line]))


def require_plain(given: Mapping[str, object]) -> None:
    """Raise InputError for an option of scenes that means nothing for heads."""
    if asked := [name for name, value in given.items() if value]:
        raise InputError(f"{asked[0]} is for scenes and means nothing for --heads; leave it out.")


def _write_heads(shown: Face, out: Path, order: HeadOrder, overwrite: bool) -> None:
    from dataclasses import asdict

    from ilrm_cli.data.synthetic.heads.folders import check_heads, write_heads
    from ilrm_cli.runtime.progress import Step

    check_heads(out, order, overwrite)
    rows = []
    shown.kept_as_json = {"scenes": 0}
    with shown.progress() as report:
        for written in write_heads(out, order):
            rows.append({**asdict(written), "folder": str(written.folder)})
            report(Step("heads", len(rows), order.heads))
            shown.kept = f"{len(rows)} whole heads are in {out}"
            shown.kept_as_json = {"scenes": len(rows)}
    first = rows[0]["folder"]
    lines = (
        f"{len(rows)} heads of {order.views} photos in {out}, each photo with another expression.",
        f"Film one with: ilrm animate {first}/{HEAD_NAME} {first}/{EXPRESSIONS_NAME} -o film.mp4 --model WEIGHTS",
    )
    shown.end(Result({"scenes": rows}, lines))


def _table(names: list[str], records: list[dict]) -> Table:
    table = Table(*COLUMNS[:2], box=SIMPLE_HEAD)
    for column in COLUMNS[2:]:
        table.add_column(column, justify="right", no_wrap=True)
    mean = {key: sum(r[key] for r in records) / len(records) for key in records[0] if key != "kind"}
    lines = [*zip(names, records, strict=True)][:ROWS_SHOWN]
    for name, record in [*lines, ("mean", mean | {"kind": ""})]:
        table.add_row(
            name,
            record["kind"],
            f"{record['views']:.0f}",
            f"{record['field_of_view_deg']:.0f}°",
            " ".join(f"{record[key]:.2f}" for key in ("depth_near", "depth_median", "depth_far")),
            f"{record['baseline_to_depth']:.2f}",
            f"{record['overlap']:.0%}",
            f"{record['brightness']:.2f}",
            style="bold" if name == "mean" else None,
        )
    return table
