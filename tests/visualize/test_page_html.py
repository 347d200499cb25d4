import base64
import hashlib
import json
from html.parser import HTMLParser
from importlib.resources import files

from ilrm_cli.visualize.page.html import Stop, encode_html
from ilrm_cli.visualize.page.poses import Pose

START = Pose((0.0, 1.0, -2.0), (0.0, 0.0, 0.0), (0.5, 0.4))
OTHER = Pose((1.0, 1.0, -2.0), (0.0, 0.0, 0.0), (0.4, 0.5))
HOSTILE = "</title></script><script>alert('\u2028&amp;')</script><!--\"' ü"
NOT_UNICODE = b"caf\xe9".decode(errors="surrogateescape")  # as Python reads such a file's name
SUPERSPLAT = files("ilrm_cli.visualize.page") / "supersplat"


class Reader(HTMLParser):
    """Parsed page: elements with their attributes and texts, as a browser sees them."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[int, str] = {}
        self.open: list[int] = []
        self.feed(page.decode())
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open.append(len(self.elements))
        self.elements.append((tag, dict(attrs)))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.elements[self.open[-1]][0] == tag, "elements are not nested"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        if self.open:
            self.texts[self.open[-1]] = self.texts.get(self.open[-1], "") + data

    def text(self, tag: str, **attributes: str) -> str:
        """Return the text of the only such element."""
        found = [
            self.texts.get(i, "")
            for i, (name, given) in enumerate(self.elements)
            if name == tag and attributes.items() <= given.items()
        ]
        assert len(found) == 1, f"{len(found)} {tag}"
        return found[0]

    @property
    def bootstrap(self) -> dict:
        return json.loads(self.text("script", id="sse-bootstrap"))


def page_with(**changes: object) -> Reader:
    page = encode_html(b"ply\n\0\xff", ".ply", **{"title": "fox", "start": START, **changes})
    return Reader(page)


def test_the_content_is_inside_and_named() -> None:
    held = page_with().bootstrap
    head, _, data = held["contentUrl"].partition(",")
    assert head == "data:application/octet-stream;base64"
    assert base64.b64decode(data) == b"ply\n\0\xff"
    assert held["contentFilename"] == "scene.ply"


def test_title_and_names_are_text_and_nothing_else() -> None:
    plain, hostile = page_with(stops=[Stop("a", OTHER)]), page_with(title=HOSTILE, stops=[Stop(HOSTILE, OTHER)])
    assert hostile.text("title") == HOSTILE
    assert hostile.bootstrap["settings"]["annotations"][0]["title"] == HOSTILE
    assert hostile.elements == plain.elements


def test_names_that_are_not_unicode_are_shown_as_far_as_they_are() -> None:
    assert page_with(title=NOT_UNICODE, stops=[Stop(NOT_UNICODE, OTHER)]).text("title") == "caf?"


def test_nothing_is_fetched() -> None:
    reader = page_with()
    for tag, attributes in reader.elements:
        assert "src" not in attributes
        assert attributes.get("href", "") == ""
        assert tag not in ("link", "iframe", "img", "object")
    (policy,) = [a["content"] for t, a in reader.elements if t == "meta" and a.get("http-equiv")]
    assert policy is not None
    sources = {source for rule in policy.split(";") for source in rule.split()[1:]}
    assert sources == {"'none'", "'unsafe-inline'", "'wasm-unsafe-eval'", "blob:", "data:"}


def test_the_settings_hold_the_views_and_the_background() -> None:
    settings = page_with(
        stops=[Stop("a.jpg", START), Stop("b.jpg", OTHER)], tour=[1, 0], background=(0.0, 0.5, 1.0)
    ).bootstrap["settings"]
    (camera,) = settings["cameras"]
    assert camera["initial"] == {
        "position": [0, 1, -2],
        "target": [0, 0, 0],
        "fov": START.fov_deg,
        "extent": [0.5, 0.4],
    }
    assert [stop["title"] for stop in settings["annotations"]] == ["a.jpg", "b.jpg"]
    assert settings["annotations"][1]["camera"]["initial"]["position"] == [1, 1, -2]
    (track,) = settings["animTracks"]
    assert track["keyframes"]["values"]["position"] == [1, 1, -2, 0, 1, -2]
    assert settings["background"]["color"] == [0, 0.5, 1]


def test_without_stops_there_is_no_tour() -> None:
    settings = page_with().bootstrap["settings"]
    assert (settings["annotations"], settings["animTracks"]) == ([], [])


def test_the_licence_goes_with_the_page() -> None:
    page = encode_html(b"", ".ply", title="", start=START).decode()
    assert (SUPERSPLAT / "LICENSE").read_text() in page


def test_the_viewer_is_as_it_was_delivered() -> None:
    lines = (SUPERSPLAT / "SHA256SUMS").read_text().splitlines()
    assert len(lines) == 4
    for line in lines:
        digest, name = line.split()
        assert hashlib.sha256((SUPERSPLAT / name).read_bytes()).hexdigest() == digest
