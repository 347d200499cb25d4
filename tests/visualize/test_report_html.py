"""The page: whole, offline, readable without scripts, and safe to open whatever files are called."""

import base64
import io
import re
from dataclasses import asdict, replace
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from ilrm_cli.pipeline.trace import Reading, Trace, TracedLayer
from ilrm_cli.visualize.report.html import MAX_COMPARED, encode_html, most_telling, picture, sentence
from tests.support.small_reconstruction import NAMES


class Page(HTMLParser):
    """Tags with their attributes, and the text between them."""

    def __init__(self, content: bytes):
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(content.decode())

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "img", "rect", "line", "image", "circle", "path", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag in ("rect", "line", "image", "circle", "path", "br"):
            return
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("style", "script"):
            self.text += data

    def all(self, tag: str, kind: str | None = None) -> list[dict[str, str | None]]:
        found = [attributes for name, attributes in self.tags if name == tag]
        return [a for a in found if kind is None or kind in (a.get("class") or "").split()]


@pytest.fixture(scope="module")
def page(report) -> Page:
    return Page(encode_html(report))


def test_it_is_whole(page):
    assert page.open == []


def test_nothing_is_fetched(page, report):
    links = [value for _, attributes in page.tags for name, value in attributes.items() if name in ("src", "href")]
    assert links
    assert all(link.startswith("data:image/") for link in links)
    assert not re.findall(r"url\(|@import|https?://", encode_html(report).decode())
    policy = next(a["content"] for a in page.all("meta") if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'; img-src data:;")


def test_pictures_can_be_decoded(page):
    for attributes in page.all("img"):
        data = attributes["src"].split("base64,")[1]
        Image.open(io.BytesIO(base64.b64decode(data))).load()
    assert len(page.all("img")) == 4 + 2 * 3  # thumbnails; photo, scene and error of each held-out photo


def test_names_of_files_are_text(page, report):
    assert NAMES[3] in page.text
    assert "it shares <no> point".capitalize() in page.text
    assert [a["alt"] for a in page.all("img")].count(NAMES[3]) == 1
    assert "<b>&" not in encode_html(report).decode()


def test_it_tells_what_was_used_and_why_not(page, report):
    for photo in report.photos:
        assert photo.name in page.text
    assert "It is cut short" in page.text
    assert "a photo is cut short.".capitalize() in page.text  # the warning
    assert report.command in page.text
    assert report.summary["model"]["sha256"] in page.text


def test_each_part_that_photos_play_is_told(fitted, page):
    text = Page(encode_html(fitted)).text
    assert "3 of 6 photos became" in text
    assert "No inputs, but the scene is fitted to them 1" in text
    assert "Held out to score the result, and for early stopping 1" in text
    assert "They were also used for early stopping" in text
    assert "2 of 6 photos became" in page.text
    assert "is fitted to them" not in page.text


def test_every_layer_has_its_bar(page):
    labels = [a["aria-label"] for a in page.all("svg") if (a["aria-label"] or "").startswith("Layer")]
    assert labels == ["Layer 1: 4.0 ms", "Layer 2: 2.0 ms", "Layer 3: 2.0 ms"]
    assert len(page.all("rect", "self")) == 3 + 1  # and that of the prediction


def test_every_camera_is_drawn_twice(page):
    assert len(page.all("g", "input")) == 2 * 2
    assert len(page.all("g", "held_out")) == 2 * 2


def test_without_held_out_photos_it_says_so_and_compares_nothing(unscored):
    page = Page(encode_html(unscored))
    assert "the quality is not measured" in page.text
    assert not page.all("article")
    assert not page.all("svg", "scale")


def test_scores_of_all_are_given_where_not_all_are_shown(report):
    many = tuple(replace(report.comparisons[0], name=f"{i}.jpg", psnr=20 + i / 10) for i in range(10))
    page = Page(encode_html(replace(report, comparisons=many)))
    assert len(page.all("article")) == MAX_COMPARED
    assert all(f"20.{i}0" in page.text for i in range(10))


def test_the_best_and_the_worst_are_shown(report):
    many = [replace(report.comparisons[0], psnr=float(psnr)) for psnr in (3, 9, 1, 7, 5, 2, 8, 4, 6, 0)]
    shown = [compared.psnr for compared in most_telling(many)]
    assert shown == sorted(shown, reverse=True)
    assert (shown[0], shown[-1], len(set(shown))) == (9, 0, MAX_COMPARED)
    assert most_telling([]) == []


def test_options_stay_in_one_piece_and_text_is_escaped():
    assert sentence("try --views 12 or <i>") == "Try <code>--views 12</code> or &lt;i&gt;"
    assert sentence("a --b") == "A <code>--b</code>"


def test_transparent_pictures_keep_their_transparency():
    clear = np.zeros((4, 4, 4), dtype=np.uint8)
    uri = picture(clear)
    assert uri.startswith("data:image/webp")
    assert Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1]))).convert("RGBA").getextrema()[3] == (0, 0)


def test_what_was_pruned_and_how_sure_the_rest_is_are_told_where_asked_for(report):
    told = {
        "pruned": {"dropped": 1234, "threshold": 0.5, "psnr_before": 20.0, "psnr_after": 20.25, "judges": 2},
        "confidence": {"mean": 0.625, "low_share": 0.125},
    }
    page = Page(encode_html(replace(report, summary=dict(report.summary) | told)))
    assert "1,234 Gaussians, +0.25 dB" in page.text
    assert "62% on average, 12% low" in page.text
    assert "Pruned" not in Page(encode_html(report)).text


def test_a_traced_scene_is_seen_forming(report):
    """These appear only with a trace: a picture before the first layer and after each, for both readings."""
    grey = np.full((6, 8, 3), 128, dtype=np.uint8)
    rows = [Reading(psnr=10.0 + layer, depth_change=None, means_change=None, gaussians=9) for layer in range(3)]
    traced = Trace(
        layers=tuple(TracedLayer(i, None if i == 0 else 0.5 / i, row) for i, row in enumerate(rows)),
        pictures=((grey, grey),) * 3,
        shown=0,
        photo=grey,
    )
    summary = dict(report.summary) | {"trace": {"photo": "b.png", "layers": [asdict(row) for row in traced.layers]}}
    page = Page(encode_html(replace(report, trace=traced, summary=summary)))
    assert "How the scene formed" in page.text
    assert [page.text.count(word) for word in ("Before the first layer", "After layer 2", "12.0 dB")] == [1, 1, 1]
    moved = [a["aria-label"] for a in page.all("svg") if (a["aria-label"] or "").endswith("%")]
    assert moved == ["Layer 1: 50%", "Layer 2: 25%"]
    assert "How the scene formed" not in Page(encode_html(report)).text
