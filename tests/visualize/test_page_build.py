import base64
import math
from pathlib import Path

import pytest
import torch

from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.geometry.transforms import Similarity
from ilrm_cli.render.paths.routes import look_at
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.scene.checks import record_path
from ilrm_cli.scene.files import decode_scene, encode_scene
from ilrm_cli.scene.formats.scene_file import SceneFile
from ilrm_cli.scene.record import SceneRecord, recorded_views
from ilrm_cli.scene.start_view import start_view_of
from ilrm_cli.visualize.page.build import MB, page_of, share
from tests.support.gaussian_scenes import random_gaussians
from tests.support.records import write_record
from tests.visualize.test_page_html import Reader

UP = torch.tensor([0.0, 0.0, 1.0]).double()  # unlike the page's
MIDDLE = torch.tensor([0.0, 0.0, 3.0]).double()
SAME_FRAME = Similarity(1.0, torch.eye(3, dtype=torch.float64), torch.zeros(3, dtype=torch.float64))


def gaussians() -> Gaussians:
    """Return Gaussians most of which the cameras see; the last hundred are far behind them."""
    seen, far = random_gaussians(400, 1, scale=0.05, dtype=torch.float32), random_gaussians(100, 1, dtype=torch.float32)
    return Gaussians.concatenated(seen, far.transformed(Similarity(1.0, torch.eye(3), torch.tensor([0.0, 90, 0]))))


def cameras() -> Cameras:
    azimuth = torch.tensor([-40.0, -10, 15, 50]).deg2rad().double()
    positions = MIDDLE + 4 * torch.stack([azimuth.sin(), azimuth.cos(), torch.full((4,), 0.3).double()], dim=1)
    focal_px, center_px = torch.full((4, 2), 60.0).double(), torch.tensor([[24.0, 16.0]] * 4).double()
    return Cameras(look_at(positions, MIDDLE, UP), focal_px, center_px, width=48, height=32)


@pytest.fixture
def alone(tmp_path: Path) -> Path:
    """Write a scene without a record."""
    scene = tmp_path / "a <b>.ply"
    scene.write_bytes(encode_scene(SceneFile(gaussians()), ".ply"))
    return scene


@pytest.fixture
def scene(alone: Path) -> Path:
    recorded(alone, cameras())
    return alone


def recorded(scene: Path, cameras: Cameras) -> None:
    """Write the scene's record."""
    views = recorded_views(["a.jpg", "b.jpg", "c.jpg", "<d>.jpg"], ["0"] * 4, cameras, "input")
    record = SceneRecord(views, SAME_FRAME, {"name": "none", "sha256": ""}, 0, (0.2, 0.4, 0.6), up=(0.0, 0.0, 1.0))
    write_record(record_path(scene), record)


def content_of(html: bytes, folder: Path) -> Gaussians:
    held = Reader(html).bootstrap
    inside = folder / held["contentFilename"]
    inside.write_bytes(base64.b64decode(held["contentUrl"].partition(",")[2]))
    return decode_scene(inside).gaussians


def test_the_page_holds_the_scene_with_up_as_the_viewer_wants_it(scene: Path, tmp_path: Path) -> None:
    made = share(scene, tmp_path / "page.html")
    assert (made.gaussians, made.left_out, made.views, made.warnings) == (500, 0, 4, ())
    assert made.psnr_db > 45
    whole, held = gaussians(), content_of((tmp_path / "page.html").read_bytes(), tmp_path)
    assert len(held) == 500
    turned = whole.means[:, [0, 2, 1]] * torch.tensor([1.0, -1.0, 1.0])  # z was up, and is now -y
    distances = torch.cdist(turned, held.means).min(dim=1).values  # in whatever order
    assert distances.max() < 0.05


def test_it_starts_at_an_input_view_and_steps_through_all(scene: Path) -> None:
    reader = Reader(page_of(scene).html)
    settings = reader.bootstrap["settings"]
    assert reader.text("title") == "a <b>"
    assert [stop["title"] for stop in settings["annotations"]] == ["a.jpg", "b.jpg", "c.jpg", "<d>.jpg"]
    views = [stop["camera"]["initial"] for stop in settings["annotations"]]
    assert settings["cameras"][0]["initial"] in views[1:3]  # one in the middle of the arc
    for view, position in zip(views, cameras().positions.tolist(), strict=True):
        assert view["position"][1] == pytest.approx(position[2])  # the height above the ground
        assert view["fov"] == pytest.approx(2 * math.degrees(math.atan(24 / 60)))
    assert settings["background"]["color"] == [0.2, 0.4, 0.6]
    assert len(settings["animTracks"][0]["keyframes"]["times"]) == 6  # there and back


def test_the_label_at_the_start_is_that_of_the_view(scene: Path) -> None:
    settings = Reader(page_of(scene).html).bootstrap["settings"]
    first = settings["annotations"][settings["ours"]["first"]]
    assert first["title"] in ("b.jpg", "c.jpg")
    assert first["camera"]["initial"] == settings["cameras"][0]["initial"]


def test_a_subject_seen_from_around_is_circled_where_it_stands(scene: Path) -> None:
    settings = Reader(page_of(scene).html).bootstrap["settings"]
    assert settings["ours"]["orbits"]
    for stop in settings["annotations"]:
        assert stop["camera"]["initial"]["target"] == pytest.approx([0, 3, 0], abs=1e-6)  # MIDDLE, y up


def test_on_a_walk_dragging_turns_the_head(alone: Path) -> None:
    along = torch.tensor([0.0, 1.0, 0.0]).double() * torch.linspace(4, 84, 4).double()[:, None]  # towards the far ones
    facing = cameras().moved(look_at(along, torch.tensor([0.0, 1e6, 0.0]).double(), UP))
    recorded(alone, facing)
    assert not Reader(page_of(alone).html).bootstrap["settings"]["ours"]["orbits"]


def test_without_a_record_it_starts_on_a_ring(alone: Path) -> None:
    page = page_of(alone)
    settings = Reader(page.html).bootstrap["settings"]
    assert (settings["annotations"], settings["animTracks"], len(settings["cameras"])) == ([], [], 1)
    assert len(page.shown.cameras) == 8
    assert "no record with cameras" in page.shown.warnings[0]


def test_without_its_record_it_starts_where_it_would_with_it(scene: Path) -> None:
    view = start_view_of(cameras(), gaussians(), tuple(UP.tolist()))
    scene.write_bytes(encode_scene(SceneFile(gaussians(), (view.comment,)), ".ply"))
    with_it = Reader(page_of(scene).html).bootstrap["settings"]
    record_path(scene).unlink()
    without = Reader(page_of(scene).html).bootstrap["settings"]
    assert without["annotations"] == []
    (there,), (here,) = with_it["cameras"], without["cameras"]
    for name, values in there["initial"].items():
        assert here["initial"][name] == pytest.approx(values, rel=0.01, abs=1e-4)  # its size is in whole pixels


def test_the_budget_is_kept_by_leaving_out_what_adds_least(scene: Path, tmp_path: Path) -> None:
    whole = len(page_of(scene).html)
    budget = (whole - 200 * 20) / MB
    output = tmp_path / "page.html"
    made = share(scene, output, max_mb=budget)
    assert budget * MB - 4000 < output.stat().st_size == made.output_bytes <= budget * MB
    assert made.gaussians + made.left_out == 500
    assert made.left_out > 0
    assert f"{made.left_out:,} of 500 Gaussians" in made.warnings[-1]
    held = content_of(output.read_bytes(), tmp_path)
    assert len(held) == made.gaussians
    unseen = held.means[:, 2].abs() > 50
    assert int(unseen.sum()) == max(0, made.gaussians - 400)
    assert made.psnr_db > 25


def test_a_budget_below_the_viewer_is_one_sentence(scene: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--max-mb 1 is too small: a page takes 3"):
        share(scene, tmp_path / "page.html", max_mb=1.0)
    assert not (tmp_path / "page.html").exists()
