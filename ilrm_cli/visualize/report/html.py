"""`report.html`: one file that needs no network and can be read and printed without scripts."""

import base64
import io
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import UInt8
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from numpy import ndarray
from PIL import Image

from ilrm_cli.pipeline.trace import Picture, Trace
from ilrm_cli.pipeline.verdict import CHOICES
from ilrm_cli.visualize.report.cameras import draw
from ilrm_cli.visualize.report.charts import layer_bars, score_scale, stage_bars, trace_bars
from ilrm_cli.visualize.report.comparisons import Comparison
from ilrm_cli.visualize.report.content import Report

JPEG_QUALITY = 88  # higher values show no visible gain at the size of these pictures
WEBP_QUALITY = 70  # for the points behind the cameras
MAX_COMPARED = 6  # held-out photos shown beside their renders, from best to worst; all scores are listed
# Views of the cameras: width and height in px, degrees to their right and above them.
ASIDE, ABOVE = (720, 480, 35.0, 30.0), (480, 480, 0.0, 90.0)

_OPTION = re.compile(r"(--[a-z][a-z-]*(?: \d+)?)")  # including its number, if any


class FormingPicture(NamedTuple):
    """The scene after one layer, as shown on the page."""

    caption: str
    picture: Picture
    psnr: float | None  # dB, over the held-out photos


def encode_html(report: Report) -> bytes:
    """Encode the report as a page. File names and all other external text are escaped."""
    pages = Environment(
        loader=PackageLoader("ilrm_cli.visualize.report", "page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    pages.filters["picture"] = picture
    pages.filters["sentence"] = sentence
    return pages.get_template("report.html.j2").render(_content(report)).encode()


def _content(report: Report) -> dict[str, Any]:
    psnr, verdict = report.summary["held_out"]["psnr"], report.summary["verdict"]
    grade = None if psnr is None else verdict.partition(": ")[0]
    roles = ("input", "fitted", "held_out", "left_out")
    return {
        "report": report,
        "summary": report.summary,
        "record": report.record,
        "grade": grade,
        "chose": [CHOICES[choice] for choice in report.summary["held_out"]["chose"]],
        "verdict": verdict.removeprefix(f"{grade}: "),  # the word is shown above
        "scale": score_scale(psnr, report.comparisons),
        "scores": {compared.name: compared.psnr for compared in report.comparisons},
        "shown": most_telling(report.comparisons),
        "drawings": [draw(report.layout, *view) for view in (ASIDE, ABOVE)],
        "stages": stage_bars(report.summary["timings_s"]),
        "layers": layer_bars(report.summary["layers"]),
        "formed": forming(report.trace) if report.trace else [],
        "moved": trace_bars(report.summary["trace"]["layers"]) if report.trace else (),
        "pose_rows": report.card.figures,
        "photos": {role: [photo for photo in report.photos if photo.role == role] for role in roles},
    }


def forming(trace: Trace) -> list[FormingPicture]:
    """Return a picture of the scene before the first layer, and after each."""
    words = ["Before the first layer", *(f"After layer {row.layer}" for row in trace.layers[1:])]
    rows = zip(words, trace.layers, trace.pictures, strict=True)
    return [FormingPicture(word, shown[0], row.head.psnr) for word, row, shown in rows]


def most_telling(compared: Sequence[Comparison]) -> list[Comparison]:
    """Return at most MAX_COMPARED of them: the best, the worst, and evenly spaced ones between; best first."""
    ranked = sorted(compared, key=lambda comparison: -comparison.psnr)
    picked = np.linspace(0, len(ranked) - 1, min(len(ranked), MAX_COMPARED)).round().astype(int)
    return [ranked[i] for i in picked]


def sentence(text: str) -> Markup:
    """Return the text as HTML, capitalised, with each command-line option kept in one piece."""
    return Markup(_OPTION.sub(r"<code>\1</code>", str(escape(text[:1].upper() + text[1:]))))


def picture(pixels: UInt8[ndarray, "height width channels"]) -> str:
    """Return a data URI: JPEG, or WebP for pictures with transparency."""
    buffer = io.BytesIO()
    kind, options = ("webp", {"quality": WEBP_QUALITY}) if pixels.shape[2] == 4 else ("jpeg", {"quality": JPEG_QUALITY})
    Image.fromarray(pixels).save(buffer, kind, **options)
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"
