"""One HTML file that shows a scene in any browser, offline: the vendored viewer with everything embedded.

`supersplat/` holds the viewer (PlayCanvas, MIT) as published on npm. Its own `renderViewerHtml` fills the same slots of
the same document; here it is done without Node. It cuts Gaussians off at 2.8 standard deviations, where ours continue
until they are invisible: against our renders its pictures had 24 to 41 dB PSNR.
"""

import base64
import html
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from ilrm_cli.visualize.page.poses import Pose

VIEWER = "supersplat"

# Whatever a scene's name or a link to the page contains, the browser fetches nothing.
POLICY = (
    "default-src 'none'; script-src 'unsafe-inline' 'wasm-unsafe-eval' blob: data:; style-src 'unsafe-inline'; "
    "img-src data: blob:; connect-src data: blob:; worker-src data: blob:; font-src data:"
)

# Ends a script element early, or hides its end, anywhere in the script.
MARKUP = ("</script", "<script", "<!--")

SMALL_PX = 700  # width of a window in which the list of controls would cover the scene

# What the viewer cannot be told in its settings, as (its own code, ours). `ours` is what `_settings` adds to these.
CHANGES = (
    # The label before the first step is that of the view the page opens at.
    ("currentIndex = state.selectedAnnotation ?? 0;", "currentIndex = state.selectedAnnotation ?? ours.first;"),
    # The number of the view that one stands at is nowhere: rounding put it anywhere in the picture.
    (
        "if (vec$1.z >= 0) {\n            this.screen",
        "if (vec$1.z >= -1e-4 * camera.camera.farClip) {\n            this.screen",
    ),
    # What dragging does: the viewer decides by whether it starts outside the box around all Gaussians, however far.
    ("isObjectExperience = !bbox.containsPoint(resetCamera.position);", "isObjectExperience = ours.orbits;"),
    # The same after a step, which is always followed by orbiting there. Flying has no field of view of its own.
    (
        "state.cameraMode = 'orbit';\n            const { initial } = annotation.camera;",
        "events.fire('navigateCancel');\n            state.cameraMode = defaultMode();\n"
        "            const { initial } = annotation.camera;",
    ),
    (
        "controllers.orbit.goto(tmpCamera);\n            startTransition(duration,",
        "controllers.fly.fov = tmpCamera.fov;\n            getController(state.cameraMode).goto(tmpCamera);\n"
        "            startTransition(duration,",
    ),
    # A small screen shows the scene first; the list of controls opens by its button.
    (
        "const readOpen = () => {\n    try {\n        return localStorage.getItem(OPEN_KEY) !== 'false';\n    }\n"
        "    catch {\n        // Embedded documents can be denied storage.\n        return true;",
        f"const readOpen = () => {{\n    const roomy = window.innerWidth >= {SMALL_PX};\n    try {{\n"
        "        return (localStorage.getItem(OPEN_KEY) ?? String(roomy)) !== 'false';\n    }\n"
        "    catch {\n        return roomy;",
    ),
)

LEG_S = 2.0  # of the tour, from one camera to the next


@dataclass(frozen=True)
class Stop:
    """A view selectable on the page."""

    name: str
    pose: Pose


def encode_html(
    content: bytes,
    suffix: str,
    *,
    title: str,
    start: Pose,
    stops: Sequence[Stop] = (),
    tour: Sequence[int] = (),
    orbits: bool = True,
    background: tuple[float, float, float] = (1.0, 1.0, 1.0),
    antialiased: bool = False,
) -> bytes:
    """Build the page around a scene file in the format of `suffix` (.ply, .compressed.ply or .sog), y down.

    It opens at `start`; `stops` are numbered places to step through. `tour`, indices of stops from the one at `start`
    on, is a closed path for the play button; without one, the viewer circles the target of `start`. Dragging circles
    the target, or turns the head unless `orbits`. Title and names may be any text. `antialiased` as in `Gaussians`.
    """
    url = f"data:application/octet-stream;base64,{base64.b64encode(content).decode()}"
    bootstrap = {
        "settings": _settings(start, stops, tour, orbits, background),
        "contentUrl": url,
        "contentFilename": f"scene{suffix}",
        "antialiased": antialiased,
    }
    color = ", ".join(str(round(255 * part)) for part in background)
    head = f"<title>{html.escape(title)}</title>\n<style>body {{ background-color: rgb({color}); }}</style>"
    until_head, until_bootstrap, rest = _shell()
    page = "".join([until_head, head, until_bootstrap, _for_script(bootstrap), rest])
    return page.encode(errors="replace")  # file names need not be Unicode


def _settings(
    start: Pose,
    stops: Sequence[Stop],
    tour: Sequence[int],
    orbits: bool,
    background: tuple[float, float, float],
) -> dict[str, Any]:
    """Return the viewer's settings, version 2, without colour changes.

    `extent` is for our `fit.js`, `ours` for CHANGES.
    """
    return {
        "ours": {"first": tour[0] if tour else 0, "orbits": orbits},
        "version": 2,
        "tonemapping": "none",
        "highPrecisionRendering": False,
        "background": {"color": background},
        "postEffectSettings": {
            "sharpness": {"enabled": False, "amount": 0},
            "bloom": {"enabled": False, "intensity": 0.1, "blurLevel": 2},
            "grading": {"enabled": False, "brightness": 1, "contrast": 1, "saturation": 1, "tint": [1, 1, 1]},
            "vignette": {"enabled": False, "intensity": 0.5, "inner": 0.3, "outer": 0.75, "curvature": 1},
            "fringing": {"enabled": False, "intensity": 0.5},
        },
        "animTracks": [_track([stops[i].pose for i in tour])] if tour else [],
        "cameras": [{"initial": _camera(start)}],
        "annotations": [
            {
                "position": stop.pose.position,  # a number floats where the photo was taken
                "title": stop.name,
                "text": "",
                "camera": {"initial": _camera(stop.pose)},
            }
            for stop in stops
        ],
        "startMode": "animTrack" if tour else "default",
    }


def _camera(pose: Pose) -> dict[str, Any]:
    return {"position": pose.position, "target": pose.target, "fov": pose.fov_deg, "extent": pose.extent}


def _track(poses: Sequence[Pose]) -> dict[str, Any]:
    """Return a closed tour; key times are in frames, one per second."""
    return {
        "name": "photos",
        "duration": LEG_S * len(poses),
        "frameRate": 1,
        "loopMode": "repeat",
        "interpolation": "spline",
        "smoothness": 1,
        "keyframes": {
            "times": [LEG_S * i for i in range(len(poses))],
            "values": {
                "position": [x for pose in poses for x in pose.position],
                "target": [x for pose in poses for x in pose.target],
                "fov": [pose.fov_deg for pose in poses],
                "extent": [x for pose in poses for x in pose.extent],
            },
        },
    }


@cache
def _shell() -> tuple[str, str, str]:
    """Return the viewer's document with style and scripts embedded, in three parts around the head and the data.

    Every slot must occur exactly once: a new viewer version that moves one must fail here, not in the browser.
    """
    script = _part(f"{VIEWER}/index.js").replace("//# sourceMappingURL=index.js.map", "")
    for theirs, ours in CHANGES:
        script = _put(script, theirs, ours)
    for part in (script, _part("fit.js")):
        assert not any(markup in part.lower() for markup in MARKUP), "a script that cannot stand inside a page"
    page = _part(f"{VIEWER}/index.html")
    page = _put(
        page, '<link rel="stylesheet" href="./index.css" />', f"<style>\n{_part(f'{VIEWER}/index.css')}</style>"
    )
    page = _put(page, "</head>", f'<script type="module">\n{_part("fit.js")}</script>\n</head>')
    page = _put(page, "<!-- Application Script -->", f"<!--\n{_part(f'{VIEWER}/LICENSE')}-->")
    page = _put(page, "aa: url.searchParams.has('aa')", "aa: bootstrap.antialiased || url.searchParams.has('aa')")
    page = _put(
        page, "import { createViewer } from './index.js';", f"const {{ ours }} = window.sse.settings;\n{script}"
    )
    policy = f'<meta http-equiv="Content-Security-Policy" content="{POLICY}" />'
    until_head, rest = _parted(_put(page, '<meta charset="UTF-8" />', policy), "<title>SuperSplat Viewer</title>")
    block = '<script type="application/json" id="sse-bootstrap">'
    until_bootstrap, rest = _parted(rest, block)
    until_head = _put(until_head, "<head>", '<head>\n<meta charset="UTF-8" />')  # before anything user-provided
    return until_head, until_bootstrap + block, rest[rest.index("</script>") :]


def _part(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def _put(page: str, seam: str, content: str) -> str:
    before, after = _parted(page, seam)
    return before + content + after


def _parted(page: str, seam: str) -> tuple[str, str]:
    before, *after = page.split(seam)
    assert len(after) == 1, f"{seam} stands {len(after)} times in the viewer's document"
    return before, after[0]


def _for_script(value: Any) -> str:
    """Return JSON that is safe in a script element, for any texts."""
    return json.dumps(value, allow_nan=False).replace("<", "\\u003c")
