"""`ilrm models list|info|pull|verify`."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Column, Table

from ilrm_cli.cli.console import EXIT_FAILED, Result, face
from ilrm_cli.cli.options import AsJson, Quiet

if TYPE_CHECKING:
    from ilrm_cli.models.catalog import Details, Row, Verified

models = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    help="The weights that --model takes: what there is, what is here, and whether it is intact.",
)
NameOrPath = Annotated[str, typer.Argument(help="A name of `ilrm models list`, or a weights file.")]


@models.command("list")
def list_models(as_json: AsJson = False, quiet: Quiet = False) -> None:
    """All models that have a name."""
    with face("models list", as_json, quiet) as shown:
        from ilrm_cli.models import catalog
        from ilrm_cli.models.registry import NOT_OFFERED

        rows = catalog.rows()
        about = [f"{row.name}: {figure_of(row)}{row.protocol}; licence: {row.licence}" for row in rows]
        hint = "Models that are 'available' are downloaded by: ilrm models pull NAME"
        without = [f"{name}: no weights are offered: {why}." for name, why in NOT_OFFERED.items()]
        shown.end(Result({"models": [asdict(row) for row in rows]}, [table_of(rows), *about, *without, hint]))


def figure_of(row: "Row") -> str:
    """Return whose figure the PSNR is, if there is one."""
    return "" if row.psnr is None else f"PSNR {row.basis}, "


def table_of(rows: list["Row"]) -> Table:
    """Return a table that fits into 80 columns."""
    table = Table("name", "parameters", "views", "size px", "where", "PSNR dB")
    for row in rows:
        views = str(row.max_views) if row.min_views == row.max_views else f"{row.min_views} to {row.max_views}"
        millions = f"{row.parameters / 1e6:.1f} M"
        table.add_row(
            row.name, millions, views, str(row.long_side_px), row.place, "-" if row.psnr is None else str(row.psnr)
        )
    return table


@models.command()
def info(model: NameOrPath, as_json: AsJson = False) -> None:
    """Show configuration, size, hash and origin of one model."""
    with face("models info", as_json) as shown:
        from ilrm_cli.models.registry import KNOWN, weights_file

        if model not in KNOWN:  # known models can be described without their weights
            weights_file(model)

        from ilrm_cli.models import catalog

        details = catalog.details(model)
        shown.end(Result(asdict(details), [facts_of(details)]))


def facts_of(details: "Details") -> Table:
    """Return a table of names and values; nested parts of the configuration get lines of their own."""
    table = Table.grid(Column(no_wrap=True), Column(overflow="fold"), padding=(0, 2))
    facts = {k: v for k, v in asdict(details).items() if k != "config"} | details.config
    for key, value in facts.items():
        if isinstance(value, dict):
            for inner, leaf in value.items():
                table.add_row(f"{key} {inner}", str(leaf))
        elif value is not None:
            table.add_row(key, f"{value:,}" if key in ("parameters", "size_bytes") else str(value))
    return table


@models.command(short_help="Download weights that their authors published.")
def pull(
    name: Annotated[str, typer.Argument(help="A name of `ilrm models list`.")],
    offline: Annotated[bool, typer.Option("--offline", help="Use no network: only check what is here.")] = False,
    accept_licence: Annotated[
        bool, typer.Option("--accept-licence", help="Accept a licence that does not allow every use; needed once.")
    ] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Download weights that their authors published; the first pull pins their commit and sha256."""
    with face("models pull", as_json, quiet) as shown:
        from ilrm_cli.models import hub
        from ilrm_cli.models.registry import KNOWN, NOT_OFFERED, place_of
        from ilrm_cli.runtime.errors import InputError

        known = KNOWN.get(name)
        if name in NOT_OFFERED:
            raise InputError(f"there are no weights of {name}: {NOT_OFFERED[name]}.")
        if known is None:
            raise InputError(f"no model is named {name}; the names are {', '.join(KNOWN)}.")
        if place_of(known) == "available" and not offline:
            shown.warn((hub.licence_note(known),))
        with shown.progress() as report:
            pulled = hub.pull(known, offline=offline, accepted=accept_licence, report=report)
        origin = pulled.origin
        done = "pulled" if pulled.downloaded else "already here and intact"
        licence = f"licence {origin.licence}" if origin.licence else "the repository states no licence"
        lines = (
            f"{name}: {done} ({origin.size_bytes / 1e6:.0f} MB, {licence}): {pulled.path}",
            f"pinned to commit {origin.revision}, sha256 {origin.sha256}",
        )
        result = {"name": name, "path": str(pulled.path), "downloaded": pulled.downloaded, **asdict(origin)}
        shown.end(Result(result, lines))


@models.command(short_help="Compare the sha256 of weights with the recorded one.")
def verify(
    model: Annotated[
        str | None, typer.Argument(help="A name of `ilrm models list`, or a weights file. Default: all that are here.")
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Compare the sha256 of weights with the recorded one; exit status 1 if one differs."""
    with face("models verify", as_json, quiet) as shown:
        from ilrm_cli.models.registry import weights_file

        if model is not None:
            weights_file(model)

        from ilrm_cli.models import catalog

        results = catalog.verify(model)
        lines = [f"{result.file}: sha256 {result.sha256} {verdict_of(result)}" for result in results]
        rows = [asdict(result) | {"passed": result.passed} for result in results]
        if all(result.passed for result in results):
            shown.end(Result({"files": rows}, lines))
        else:
            shown.end(Result({"files": rows}, lines, status="failed", exit_status=EXIT_FAILED))


def verdict_of(result: "Verified") -> str:
    """Return in words whether the hash of a file is the recorded one."""
    if result.recorded is None:
        return "has no recorded hash to compare with"
    return "matches" if result.passed else f"DIFFERS from the recorded {result.recorded}"
