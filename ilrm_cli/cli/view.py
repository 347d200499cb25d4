"""`ilrm view`."""

from pathlib import Path
from typing import Annotated

import typer

from ilrm_cli.cli.console import face
from ilrm_cli.cli.options import Quiet


def view(
    scene: Annotated[Path, typer.Argument(help="A scene, ours or another tool's.")],
    port: Annotated[int, typer.Option(help="Of the local server; 0 takes a free one.", min=0, max=65535)] = 0,
    browser: Annotated[bool, typer.Option(help="Open the browser, or only say where the page is.")] = True,
    quiet: Quiet = False,
) -> None:
    """Look at a scene in the browser. Only this computer can see the page; Ctrl-C ends it."""
    with face("view", quiet=quiet) as shown:
        from ilrm_cli.scene.checks import suffix_of_file

        suffix_of_file(scene)

        import webbrowser

        from ilrm_cli.visualize.page.build import page_of
        from ilrm_cli.visualize.page.server import page_server, url_of

        with shown.progress() as report:
            page = page_of(scene, report=report)
        shown.warn(page.shown.warnings)
        with page_server(page.html, port) as server:
            shown.say(f"{scene} is shown at {url_of(server)} until Ctrl-C.")
            try:
                if browser:
                    webbrowser.open(url_of(server))
                server.serve_forever()
            except KeyboardInterrupt:
                shown.say("closed.")
