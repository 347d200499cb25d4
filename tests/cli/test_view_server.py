import http.client
import socket
import struct
import threading
from collections.abc import Iterator

import pytest

from ilrm_cli.cli.view import HOST, page_server, url_of
from ilrm_cli.runtime.errors import InputError


@pytest.fixture
def port() -> Iterator[int]:
    with page_server(b"<!doctype html>") as server:
        running = threading.Thread(target=server.serve_forever, args=(0.01,))
        running.start()
        assert url_of(server) == f"http://127.0.0.1:{server.server_port}/"
        yield server.server_port
        server.shutdown()
        running.join()


def asked(port: int, path: str, host: str = HOST, method: str = "GET") -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    connection.request(method, path, headers={"Host": f"{host}:{port}"})
    answer = connection.getresponse()
    return answer.status, answer.read()


def test_the_page_and_nothing_else_is_served(port: int) -> None:
    assert asked(port, "/") == (200, b"<!doctype html>")
    assert asked(port, "/?webgl") == (200, b"<!doctype html>")
    for path in ("/index.html", "/../etc/passwd", "/favicon.ico"):
        assert asked(port, path)[0] == 404
    assert asked(port, "/", method="POST")[0] == 501


def test_other_names_for_this_machine_are_refused(port: int) -> None:
    assert asked(port, "/", host="localhost")[0] == 200
    assert asked(port, "/", host="evil.example")[0] == 404


def test_the_port_may_be_left_out_as_browsers_do_with_80(port: int) -> None:
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    connection.request("GET", "/", headers={"Host": HOST})
    assert connection.getresponse().status == 200


def test_a_browser_that_turns_away_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    failures: list[object] = []
    with page_server(bytes(32_000_000)) as server:  # more than the sockets take at once
        monkeypatch.setattr(server, "handle_error", lambda *args: failures.append(args))
        server.daemon_threads = False  # closing then waits for the handler
        with socket.create_connection((HOST, server.server_port)) as browser:
            browser.sendall(f"GET / HTTP/1.0\r\nHost: {HOST}\r\n\r\n".encode())
            server.handle_request()
            browser.recv(1)
            browser.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # reset, as if killed
    assert failures == []


def test_only_this_machine_is_answered(port: int) -> None:
    with socket.socket() as other:
        assert other.connect_ex(("127.0.0.2", port)) != 0


def test_a_taken_port_is_one_sentence(port: int) -> None:
    with pytest.raises(InputError, match=rf"--port {port} cannot be used"), page_server(b"", port):
        pass
