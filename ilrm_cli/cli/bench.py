"""`ilrm bench`."""

from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from ilrm_cli.cli.console import EXIT_FAILED, Result, face
from ilrm_cli.cli.options import AsJson, Quiet

if TYPE_CHECKING:
    from ilrm_cli.bench.figures import Findings
    from ilrm_cli.bench.timing import BenchRow


def bench(
    suite: Annotated[
        list[str] | None,
        typer.Argument(
            help="model, raster, fit, pipeline or scaling, all if none is named; also family, quality, compiled, gpu."
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="A folder for bench.json and charts; files there are replaced."),
    ] = None,
    models: Annotated[
        list[str] | None, typer.Option("--model", help="A model's name or file, for the suite family; repeatable.")
    ] = None,
    rounds: Annotated[int, typer.Option(help="Measurements of each job; the median counts.", min=1)] = 7,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Measure speed as ratios to this machine's own limits; exit status 1 if a performance budget is exceeded."""
    with face("bench", as_json, quiet) as shown:
        from ilrm_cli.bench import ON_REQUEST, SUITES
        from ilrm_cli.runtime.errors import InputError
        from ilrm_cli.runtime.files import filling

        names = suite or [name for name in SUITES if name not in ON_REQUEST]
        if unknown := [name for name in names if name not in SUITES]:
            raise InputError(f"suite {unknown[0]} is unknown; use {' or '.join(SUITES)}.")
        if output:  # fail now, not after minutes, if it cannot be written
            if find_spec("matplotlib") is None:
                raise InputError(
                    "charts need matplotlib, which is not installed: pip install 'ilrm[bench]', or leave --output out."
                )
            with filling(output):
                pass
        if models and "family" not in names:
            raise InputError("--model goes with the suite family; name it too.")
        chosen = {"family": {"models": models}} if models else {}
        found: dict[str, Findings] = {}
        for name in names:  # shown and written one by one: later ones may fail
            with shown.progress() as report:
                found[name] = SUITES[name](rounds=rounds, report=report, **chosen.get(name, {}))
            for table in _tables(found[name].rows):
                shown.out.print(table)
            for words in found[name].words:
                shown.out.print(words, markup=False)
            if output:
                _write(found, output)
                shown.kept = f"what was measured before is in {output}"
        from ilrm_cli.runtime.memory import peak_memory_gb

        rows = [row for findings in found.values() for row in findings.rows]
        peak_gb = peak_memory_gb()
        written = [f"Written to {output}."] if output else []
        lines = (*written, f"Peak memory of this process: {peak_gb:.1f} GB.")
        details = {name: dict(findings.details) for name, findings in found.items() if findings.details}
        data = {"rows": [row.as_json() for row in rows], **details, "peak_memory_gb": peak_gb}
        shown.end(Result(data, lines, exit_status=0 if all(row.passed for row in rows) else EXIT_FAILED))


def _write(found: "Mapping[str, Findings]", output: Path) -> None:
    """Write all results so far into a folder."""
    from ilrm_cli.bench.figures import encoded
    from ilrm_cli.runtime.devices import machine, resolve_device, resolve_precision
    from ilrm_cli.runtime.files import filling

    device = resolve_device("auto")
    files = encoded(found, machine(device, resolve_precision("auto", device)))
    with filling(output) as folder:
        for name, content in files.items():
            (folder / name).write_bytes(content)


def _tables(rows: "Sequence[BenchRow]") -> Iterator[Table]:
    """Yield one table for each unit of the ratios."""
    for unit in dict.fromkeys(row.unit for row in rows):
        table = Table("job", title=f"Ratios to: {unit}", title_justify="left")
        for column in ("cold s", "seconds", "limit s", "ratio", "limit", "peak GB"):
            table.add_column(column, justify="right")
        for row in (row for row in rows if row.unit == unit):
            cold, peak, limit_s, limit = (
                "" if value is None else form.format(value)
                for form, value in (
                    ("{:.3f}", row.cold_seconds),
                    ("{:.2f}", row.peak_gb),
                    ("{:g}", row.limit_s),
                    ("{:g}", row.limit),
                )
            )
            table.add_row(row.name, cold, f"{row.seconds:.3f}", limit_s, f"{row.ratio:.2f}", limit, peak)
        yield table
