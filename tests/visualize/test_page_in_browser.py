"""A real browser opens the page from disk, without network, and shows what our own renderer shows."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.render.metrics import psnr
from ilrm_cli.render.paths.routes import look_at
from ilrm_cli.render.rasterize import render
from ilrm_cli.scene.files import encode_scene
from ilrm_cli.scene.formats.scene_file import SceneFile
from ilrm_cli.scene.opened import ShownScene, read_shown_scene
from ilrm_cli.visualize.page.html import Stop, encode_html
from tests.cli.conftest import SAMPLES
from tests.support.browser import Tab, chromium
from tests.support.command_line import ilrm
from tests.support.gaussian_scenes import random_gaussians
from tests.visualize.test_page_html import OTHER, START

pytestmark = pytest.mark.browser

ENOUGH_DB = 25.0
ONLY_THE_SCENE = ".sse-viewer :not(canvas) { visibility: hidden !important; transition: none !important }"


def seen_level(shown: ShownScene, i: int) -> torch.Tensor:
    """Render input camera i without its roll and with its principal point in the middle, [1, 3, h, w]."""
    cameras = shown.cameras
    position, ahead = cameras.positions[i], cameras.forward[i]
    camera = Cameras(
        world_from_cam=look_at(position[None], position + ahead, shown.up),
        focal_px=cameras.focal_px[[i]],
        center_px=torch.tensor([[cameras.width / 2, cameras.height / 2]]).double(),
        width=cameras.width,
        height=cameras.height,
    ).to(torch.float32)
    drawn = render(shown.file.gaussians, camera, background=torch.tensor(shown.background), near=shown.near)
    return drawn.color.clamp(0, 1)


def shown_by(tab: Tab) -> torch.Tensor:
    return torch.from_numpy(tab.picture().copy()).permute(2, 0, 1)[None] / 255


def settled(tab: Tab) -> torch.Tensor:
    """Return the picture once two in a row are equal: moves take a second or two, more with software rendering."""
    before = shown_by(tab)
    for _ in range(60):
        tab.evaluate("new Promise((done) => setTimeout(done, 500))")
        now = shown_by(tab)
        if torch.equal(before, now):
            return now
        before = now
    raise AssertionError("the picture never came to rest")


def opened(tab: Tab, page: Path, width: int, height: int) -> None:
    tab.open(f"{page.as_uri()}?webgl", width, height)
    tab.wait_for("!!window.app")  # there from the first whole frame on
    tab.evaluate(f"void document.head.append(Object.assign(document.createElement('style'), "
                 f"{{ textContent: '{ONLY_THE_SCENE}' }}))")  # fmt: skip


def compare(folder: Path, scene: Path) -> list[float]:
    """Return the PSNR of the first frame and of every input view that is stepped to, against our renders."""
    page = folder / "page.html"
    assert ilrm("export", scene, "-o", page).status == 0
    shown = read_shown_scene(scene)
    width, height = shown.cameras.width, shown.cameras.height
    ours = [seen_level(shown, i) for i in range(len(shown.cameras))]
    with chromium(folder / "profile") as tab:
        opened(tab, page, width, height)
        first = settled(tab)
        found = [max(float(psnr(picture, first)) for picture in ours)]
        Image.fromarray(np.uint8(255 * first[0].permute(1, 2, 0))).save(folder / "first.png")
        for i, picture in enumerate(ours):
            tab.evaluate(f"document.querySelectorAll('.sse-annotation-hotspot')[{i}].click()")
            found.append(float(psnr(picture, settled(tab))))
        assert tab.complaints == []
        assert {url.partition(":")[0] for url in tab.requests} == {"file", "data", "blob"}
        assert len([url for url in tab.requests if url.startswith("file:")]) == 1
    return found


def test_the_sample_scene(tmp_path: Path) -> None:
    scene = tmp_path / "sample.ply"
    made = ilrm("reconstruct", SAMPLES / "posed", "-o", scene, "--views", "4", "--size", "192", "--refine", "10")
    assert made.status == 0, made.err
    assert min(compare(tmp_path, scene)) > ENOUGH_DB


def test_real_photos(tmp_path: Path, shared: Path) -> None:
    scene = tmp_path / "fox.ply"
    made = ilrm("reconstruct", shared / "scenes" / "fox", "-o", scene, "--refine", "20")
    assert made.status == 0, made.err
    assert min(compare(tmp_path, scene)) > ENOUGH_DB


def small_page(folder: Path, orbits: bool) -> Path:
    """Write a page of a few Gaussians around the origin, which opens at the second of two views of it."""
    page = folder / "page.html"
    scene = encode_scene(SceneFile(random_gaussians(50, 1, dtype=torch.float32)), ".ply")
    stops = [Stop("a.jpg", OTHER), Stop("b.jpg", START)]
    page.write_bytes(encode_html(scene, ".ply", title="", start=START, stops=stops, tour=[1, 0], orbits=orbits))
    return page


def test_a_photo_is_seen_whole_in_a_window_of_any_shape(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_bytes(encode_html(b"", ".ply", title="", start=START))  # without a scene: the fit needs none
    right, up = START.extent
    with chromium(tmp_path / "profile") as tab:
        for width, height in ((300, 200), (800, 200), (200, 800)):
            tab.open(f"{page.as_uri()}?webgl", width, height)
            tab.wait_for("!!window.sse?.options.noanim")
            fov = tab.evaluate("window.sse.settings.cameras[0].initial.fov")
            half = float(np.tan(np.radians(fov / 2)))  # of the longer side
            seen = (half, half * height / width) if width > height else (half * width / height, half)
            assert seen[0] >= right - 1e-6
            assert seen[1] >= up - 1e-6
            assert min(seen[0] - right, seen[1] - up) < 1e-6


def turned(tab: Tab) -> tuple[np.ndarray, np.ndarray]:
    """Drag to the side; return where the viewer's camera was before and is after."""
    where = "(({ x, y, z }) => [x, y, z])(window.app.root.findComponent('camera').entity.getPosition())"
    before = np.array(tab.evaluate(where))
    tab.drag((200, 150), (280, 150))
    settled(tab)
    return before, np.array(tab.evaluate(where))


@pytest.mark.parametrize("orbits", [True, False])
def test_dragging_circles_a_subject_and_turns_the_head_on_a_walk(tmp_path: Path, orbits: bool) -> None:
    with chromium(tmp_path / "profile") as tab:
        opened(tab, small_page(tmp_path, orbits), 400, 300)
        for number, name in ((1, "b.jpg"), (0, "a.jpg")):
            hotspots = "[...document.querySelectorAll('.sse-annotation-hotspot')].map((spot) => spot.style.display)"
            assert tab.evaluate(hotspots)[number] == "none"
            assert tab.evaluate("document.querySelector('.sse-annotationNavTitle').textContent") == name
            before, after = turned(tab)
            assert (np.linalg.norm(after - before) > 0.1) == orbits
            assert np.linalg.norm(after) == pytest.approx(np.linalg.norm(before), rel=1e-3)
            tab.evaluate("document.querySelector('.sse-annotationNext').click()")
            settled(tab)
        assert tab.complaints == []


@pytest.mark.parametrize(("width", "open_at_first"), [(900, True), (400, False)])
def test_the_list_of_controls_is_closed_on_a_small_screen_and_opens(
    tmp_path: Path, width: int, open_at_first: bool
) -> None:
    shown = "!document.querySelector('.sse-controlsHint').classList.contains('sse-hidden')"
    with chromium(tmp_path / "profile") as tab:
        opened(tab, small_page(tmp_path, orbits=True), width, 600)
        assert tab.evaluate(shown) == open_at_first
        tab.evaluate("document.querySelector('.sse-controlsButton').click()")
        assert tab.evaluate(shown) != open_at_first
