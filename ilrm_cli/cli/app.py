"""The `ilrm` command."""

import os
from typing import Annotated

import typer

from ilrm_cli import __version__
from ilrm_cli.cli.batch import batch
from ilrm_cli.cli.bench import bench
from ilrm_cli.cli.evaluate import evaluate
from ilrm_cli.cli.export import export
from ilrm_cli.cli.models import models
from ilrm_cli.cli.pose import pose
from ilrm_cli.cli.reconstruct import reconstruct
from ilrm_cli.cli.render import render
from ilrm_cli.cli.replay import replay
from ilrm_cli.cli.synth import synth
from ilrm_cli.cli.train import train
from ilrm_cli.cli.view import view

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit status: 0 fine, 1 failed, 2 wrong usage.",
)
app.command()(reconstruct)
app.command()(batch)
app.command()(pose)
app.command()(render)
app.command()(view)
app.command()(export)
app.command()(replay)
app.command()(evaluate)
app.command()(bench)
app.command()(train)
app.command()(synth)
app.add_typer(models, name="models")


def _show_version(wanted: bool) -> bool:
    if wanted:
        typer.echo(f"ilrm {__version__}")
        raise typer.Exit()
    return wanted


@app.callback()
def ilrm(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    """A folder of photos becomes a 3D Gaussian splat scene in seconds."""


def main() -> None:
    # torch's OpenMP threads otherwise spin while ours work: interleaved calls were 3 to 8 times slower.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    app()


if __name__ == "__main__":  # torchrun -m ilrm_cli.cli.app
    main()
