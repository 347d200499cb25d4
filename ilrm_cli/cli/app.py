"""The `ilrm` command."""

import os
from typing import Annotated

import typer

from ilrm_cli import __version__
from ilrm_cli.cli.on_demand import CommandsOnDemand
from ilrm_cli.runtime.progress import LAUNCHED

app = typer.Typer(
    cls=CommandsOnDemand,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=(
        "Topics: `ilrm help` lists them, `ilrm help inputs` explains one.\n\n"
        "Exit status: 0 fine, 1 failed, 2 usage error."
    ),
)


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
    """Turn a folder of photos into a 3D Gaussian splat scene in seconds."""


def main() -> None:
    # Otherwise torch's OpenMP threads spin while ours work: interleaved calls were 3 to 8 times slower.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    LAUNCHED.set(True)
    app()


if __name__ == "__main__":  # torchrun -m ilrm_cli.cli.app
    main()
