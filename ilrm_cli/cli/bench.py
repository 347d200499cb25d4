"""`ilrm bench`."""

from typing import Annotated

import typer
from rich.table import Table

from ilrm_cli.cli.console import EXIT_FAILED, face
from ilrm_cli.cli.options import AsJson, Quiet


def bench(
    suite: Annotated[list[str] | None, typer.Argument(help="raster, model; all if none is named.")] = None,
    rounds: Annotated[int, typer.Option(help="Measurements of each job; the median counts.", min=1)] = 7,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Measure speed as ratios to this machine's own matrix product; exit status 1 if a limit is exceeded."""
    with face("bench", as_json, quiet) as shown:
        from ilrm_cli.bench import SUITES
        from ilrm_cli.bench.timing import MATMUL_SIZE
        from ilrm_cli.errors import InputError
        from ilrm_cli.machine_memory import peak_memory_gb

        names = suite or list(SUITES)
        if unknown := [name for name in names if name not in SUITES]:
            raise InputError(f"suite {unknown[0]} is unknown; use {' or '.join(SUITES)}.")
        with shown.progress() as report:
            rows = [row for name in names for row in SUITES[name](rounds=rounds, report=report)]
        table = Table("job")
        for column in ("seconds", "ratio", "limit"):
            table.add_column(column, justify="right")
        for row in rows:
            limit = "" if row.limit is None else f"{row.limit:g}"
            table.add_row(row.name, f"{row.seconds:.3f}", f"{row.ratio_to_matmul:.2f}", limit)
        shown.out.print(table)
        shown.say(f"Ratios are to a {MATMUL_SIZE}³ float32 matrix product on the same threads in the same run.")
        peak_gb = peak_memory_gb()
        shown.say(f"Peak memory of this process: {peak_gb:.1f} GB.")
        rows_json = [vars(row) | {"passed": row.passed} for row in rows]
        shown.finish({"command": "bench", "status": "ok", "rows": rows_json, "peak_memory_gb": peak_gb})
        if not all(row.passed for row in rows):
            raise typer.Exit(EXIT_FAILED)
