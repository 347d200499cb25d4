"""Tests of `ilrm render` as users run it; the content of films is tested in tests/visualize."""

import io
import json
import zipfile
from pathlib import Path

import pytest
import torch
from PIL import Image

from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.scene.files import decode_scene
from ilrm_cli.scene.formats.ply import encode_ply
from ilrm_cli.scene.formats.scene_file import SceneFile
from ilrm_cli.scene.formats.sog import encode_sog
from tests.support.command_line import ilrm


@pytest.fixture
def ply(tmp_path: Path) -> Path:
    ball = Gaussians(
        means=0.3 * torch.randn(50, 3, generator=torch.Generator().manual_seed(0)),
        quaternions=torch.tensor([1.0, 0, 0, 0]).repeat(50, 1),
        scales=torch.full((50, 3), 0.1),
        opacities=torch.full((50,), 0.9),
        harmonics=torch.randn(50, 1, 3, generator=torch.Generator().manual_seed(1)),
    )
    (tmp_path / "scene.ply").write_bytes(encode_ply(SceneFile(ball)))
    return tmp_path / "scene.ply"


def test_several_channels_in_a_webp_that_loops(ply: Path) -> None:
    output = ply.with_name("film.webp")
    shown = ilrm(
        "render", ply, "--channels", "rgb, depth,alpha", "--size", "32x24", "--seconds", "0.5", "--fps", "10",
        "-o", output,
    )  # fmt: skip
    assert shown.status == 0
    assert "(yellow) to" in shown.out
    assert "5 frames of 96x24 px at 10 fps along orbit (auto), looping" in shown.out
    assert shown.out.endswith(f" {output}\n")
    assert "Where the time went" not in shown.out + shown.err
    with Image.open(output) as film:
        assert (film.format, film.size, film.n_frames, film.info["loop"]) == ("WEBP", (96, 24), 5, 0)


def test_the_json_of_a_film(ply: Path) -> None:
    output = ply.with_name("film.gif")
    options = ("--size", "16x16", "--seconds", "0.2", "--fps", "10", "--path", "wobble", "--json", "-o", output)
    shown = ilrm("render", ply, *options)
    assert list(shown.json) == [
        "command", "status", "output", "frames", "path", "loops", "fps", "width", "height", "channels", "depth_range",
        "renderer", "gaussians", "timings_s", "warnings",
    ]  # fmt: skip
    assert shown.json["depth_range"] is None
    assert json.loads(shown.out)["path"] == "wobble"


def test_the_default_output_lies_beside_the_scene(ply: Path) -> None:
    assert ilrm("render", ply, "--size", "16x16", "--seconds", "0.2", "--path", "spiral").status == 0
    assert ply.with_name("scene_spiral.mp4").is_file()


def test_the_current_folder_is_named_in_full(ply: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder := ply.with_suffix("")).mkdir()
    monkeypatch.chdir(folder)
    assert ilrm("render", ".").sentence == "error: . is a folder; it holds no scene; name a file."
    with zipfile.ZipFile(io.BytesIO(encode_sog(decode_scene(ply)))) as bundle:
        bundle.extractall(folder)
    assert ilrm("render", ".", "--size", "16x16", "--seconds", "0.2", "--path", "spiral").status == 0
    assert ply.with_name("scene_spiral.mp4").is_file()


def test_verbose_tells_where_the_time_went(ply: Path) -> None:
    output = ply.with_name("frames.png")
    done = ilrm("render", ply, "--size", "16x16", "--seconds", "0.2", "-v", "-o", output)
    assert "renderer cpu" in done.err
    assert "Where the time went" in done.err
    assert done.out.endswith(f" {ply.parent}\n"), "frames are numbered"


@pytest.mark.parametrize("late", ["write_video", "write_camera_path"])
def test_a_film_that_is_stopped_late_says_what_is_written(
    ply: Path, monkeypatch: pytest.MonkeyPatch, late: str
) -> None:
    """The film comes first, then its cameras."""
    from ilrm_cli.visualize.film import film

    whole = getattr(film, late)

    def stopped(*given: object, **named: object) -> None:
        whole(*given, **named)
        raise KeyboardInterrupt

    monkeypatch.setattr(film, late, stopped)
    output, path = ply.with_name("f.gif"), ply.with_name("c.json")
    options = ("--size", "16x16", "--seconds", "0.2", "--fps", "10", "--path", "wobble", "--save-path", path)
    ended = ilrm("render", ply, "-o", output, *options)
    assert ended.status == 130
    assert output.is_file()
    assert path.is_file() == (late == "write_camera_path")
    what = f"{output}, {path} are" if path.is_file() else f"{output} is"
    assert ended.err.splitlines()[-1] == f"stopped: {what} written, and no more"
