"""`ilrm view`, and its web server for one page, on this machine's loopback address."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Annotated

import typer

from ilrm_cli.cli.console import face
from ilrm_cli.cli.options import Quiet
from ilrm_cli.runtime.errors import InputError

HOST = "127.0.0.1"


def view(
    scene: Annotated[Path, typer.Argument(help="A scene of ilrm or of another tool.")],
    port: Annotated[int, typer.Option(help="Port of the local server; 0 takes a free one.", min=0, max=65535)] = 0,
    browser: Annotated[bool, typer.Option(help="Open the browser, or only say where the page is.")] = True,
    quiet: Quiet = False,
) -> None:
    """Look at a scene in the browser. Only this computer can see the page; Ctrl-C ends it."""
    with face("view", quiet=quiet) as shown:
        shown.kept = ""  # it writes nothing
        from ilrm_cli.scene.checks import suffix_of_file

        suffix_of_file(scene)
        shown.reading(str(scene))

        import webbrowser

        from ilrm_cli.visualize.page.build import page_of

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


@contextmanager
def page_server(page: bytes, port: int = 0) -> Iterator[ThreadingHTTPServer]:
    """Serve `page` at `/` and nothing else; the caller runs `serve_forever`. Port 0 picks a free one.

    Raises `InputError` if the port is taken or not allowed.
    """

    class Handler(BaseHTTPRequestHandler):
        def handle(self) -> None:
            with suppress(ConnectionError):  # a browser that disconnects before it has the whole page is no error
                super().handle()

        def do_GET(self) -> None:
            # Another host name leads here if a foreign site has its own name point at this machine.
            named = self.headers.get("Host", "").partition(":")[0]  # without the port, which may be missing
            if named not in (HOST, "localhost") or self.path.partition("?")[0] != "/":
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(page)))
            self.send_header("Cache-Control", "no-store")  # the next scene may be at the same address
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, format: str, *args: object) -> None:  # only `cli/` prints
            pass

    try:
        server = ThreadingHTTPServer((HOST, port), Handler)
    except OSError as error:
        raise InputError(f"--port {port} cannot be used ({error.strerror}); leave it out for a free one.") from error
    with server:
        yield server


def url_of(server: ThreadingHTTPServer) -> str:
    return f"http://{HOST}:{server.server_port}/"
