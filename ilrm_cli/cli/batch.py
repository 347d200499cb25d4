"""`ilrm batch`."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.table import Table
from rich.text import Text

from ilrm_cli.cli.console import EXIT_FAILED, NARROW, Face, Result, face
from ilrm_cli.cli.options import AsJson, Overwrite, Quiet, Verbose, takes
from ilrm_cli.pipeline.settings import Settings, check_settings
from ilrm_cli.runtime.errors import printable

if TYPE_CHECKING:
    from ilrm_cli.pipeline.batch.jobs import Outcome
    from ilrm_cli.pipeline.batch.run import Batch

EXIT_CRASHED = 3  # a bug of ours, or a dead process, on at least one folder
STYLES = {"ok": "green", "skipped": "dim", "failed": "yellow", "crashed": "red"}


@takes(Settings)
def batch(
    photos: Annotated[
        list[str], typer.Argument(help="Folders of photos and videos; patterns such as 'root/*' in quotes or not.")
    ],
    output: Annotated[
        str,
        typer.Option("--output", "-o", help="The scene of each; {name} is the folder's name, {parent} its parent's."),
    ] = "{name}.ply",
    *,
    settings: Settings,
    jobs: Annotated[int | None, typer.Option(help="Workers. Default: one for each GPU; on the CPU one.", min=1)] = None,
    engine: Annotated[
        Literal["local", "ray"], typer.Option(help="This machine, or a Ray cluster that shares its files.")
    ] = "local",
    summary: Annotated[
        Path | None, typer.Option(help="File for a line of JSON on each folder, rewritten as they end.")
    ] = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Turn many folders of photos into scenes; run again, it goes on where it was stopped.

    A scene that is there from the same photos and settings is skipped; any other file in its place stays, unless -w.
    Exit status: 0 all went well, 1 some failed, 3 a bug of ilrm or a process that died.
    """
    start = time.perf_counter()
    with face("batch", as_json, quiet, verbose) as shown:
        from ilrm_cli.capture.photos.folder import check_views
        from ilrm_cli.capture.photos.listing import Listing
        from ilrm_cli.models.registry import weights_file
        from ilrm_cli.pipeline.batch.jobs import check_model, check_outputs, check_summary, find_places, plan
        from ilrm_cli.pipeline.batch.places import taken_as_one
        from ilrm_cli.runtime.errors import listed

        places, others = find_places(photos)
        planned = plan(places, output)
        check_outputs(planned, overwrite)
        check_summary(summary, planned)
        check_views(settings.views)
        check_settings(settings)
        check_model(settings.model)
        weights_file(settings.model)
        shown.reading(f"{len(planned)} folder{'s' * (len(planned) != 1)}")

        from ilrm_cli.pipeline.batch import run

        passed_over = (f"passed over: {listed(others)}, neither folder nor video.",) if others else ()
        foretold = (*passed_over, *(sentence for place in places for sentence in taken_as_one(place, Listing())))
        shown.warn(foretold)
        outcomes = worked_off(shown, run.Batch(planned, settings, overwrite, engine, jobs), summary)
        tell_failures(shown, outcomes)
        shown.end(result_of(outcomes, time.perf_counter() - start, foretold, narrow=shown.out.width < NARROW))


def worked_off(shown: Face, batch: "Batch", summary: Path | None) -> list["Outcome"]:
    """Run the batch; return the outcomes in the order of its jobs, which the summary holds as far as they are known."""
    from ilrm_cli.pipeline.batch import jobs, run

    outcomes: list[Outcome] = []
    with shown.progress() as report:
        for ended in run.run(batch, report):
            outcomes = sorted([*outcomes, ended], key=lambda one: batch.jobs.index(one.job))
            if ended.status in ("failed", "crashed") and shown.out.quiet:  # otherwise the table shows it
                shown.warn((f"{ended.job.name}: {ended.sentence}",))
            if summary is not None:
                jobs.write_summary(summary, outcomes)
            shown.kept = f"{len(outcomes)} of {len(batch.jobs)} folders are done; the same command goes on from there"
    return outcomes


def result_of(outcomes: Sequence["Outcome"], seconds: float, warnings: Sequence[str], *, narrow: bool) -> Result:
    """Return the result of a batch; the warnings have been shown."""
    from ilrm_cli.pipeline.batch import jobs

    counts = jobs.counts_of(outcomes)
    total = f"{', '.join(f'{n} {status}' for status, n in counts.items() if n)} in {seconds:.1f} s"
    folders = [jobs.as_json(ended) for ended in outcomes]
    exit_status = EXIT_CRASHED if counts["crashed"] else EXIT_FAILED if counts["failed"] else 0
    return Result(
        {"counts": counts, "seconds": seconds, "folders": folders, "warnings": list(warnings)},
        [*lines_of(outcomes, narrow), total],
        status="failed" if exit_status else "ok",
        exit_status=exit_status,
    )


def tell_failures(shown: Face, outcomes: Sequence["Outcome"]) -> None:
    """Show the warnings of each folder, and the tracebacks of bugs."""
    for ended in outcomes:
        shown.warn(f"{ended.job.name}: {warning}" for warning in ended.warnings)
        if ended.traceback:
            shown.err.print(f"{printable(ended.job.name)}:\n{ended.traceback}", soft_wrap=True)


def lines_of(outcomes: Sequence["Outcome"], narrow: bool) -> Iterator[Table | str]:
    """Yield a table with a row for each folder; on a narrow terminal its sentences follow, where they have room."""
    table = Table("folder", "status")
    for column in ("photos", "PSNR", "seconds"):
        table.add_column(column, justify="right", no_wrap=True)
    if not narrow:
        table.add_column("what happened", ratio=1)
    for ended in outcomes:
        table.add_row(*row_of(ended)[: len(table.columns)])
    yield table
    if narrow:
        yield from (f"{ended.job.name}: {ended.sentence}" for ended in outcomes)


def row_of(ended: "Outcome") -> tuple[Any, ...]:
    """Return the table cells of one folder; its photos are given as used/found."""
    used, found = ("" if count is None else str(count) for count in (ended.used, ended.found))
    return (
        Text(printable(ended.job.name)),
        Text(ended.status, STYLES[ended.status]),
        f"{used}/{found}" if found else used,
        "" if ended.psnr is None else f"{ended.psnr:.1f}",
        "" if ended.seconds is None else f"{ended.seconds:.1f}",
        Text(printable(ended.sentence)),
    )
