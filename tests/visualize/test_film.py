import itertools
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from ilrm_cli.geometry.cameras import Cameras, fitted
from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.geometry.transforms import Similarity
from ilrm_cli.render.paths.routes import look_at
from ilrm_cli.render.rasterize import render
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.runtime.progress import Report, Step, ignore
from ilrm_cli.scene.checks import record_path
from ilrm_cli.scene.formats.ply import encode_ply
from ilrm_cli.scene.formats.scene_file import SceneFile
from ilrm_cli.scene.record import SceneRecord, recorded_views
from ilrm_cli.visualize.checks import FilmSettings
from ilrm_cli.visualize.film import film as stage
from ilrm_cli.visualize.film.film import FlythroughResult
from tests.support.decoded import decoded
from tests.support.records import write_record

UP = torch.tensor([0.0, -1.0, 0.0]).double()
MIDDLE = torch.tensor([0.0, 0.0, 5.0]).double()

SAME_FRAME = Similarity(1.0, torch.eye(3, dtype=torch.float64), torch.zeros(3, dtype=torch.float64))


def fly(scene: Path, path: str = "auto", *, output: Path, report: Report = ignore, **chosen: Any) -> FlythroughResult:
    return stage.fly(scene, FilmSettings(path, **chosen), output=output, report=report)


def red_ball() -> Gaussians:
    return Gaussians(
        means=MIDDLE.float()[None],
        quaternions=torch.tensor([[1.0, 0, 0, 0]]),
        scales=torch.full((1, 3), 0.5),
        opacities=torch.tensor([0.9]),
        harmonics=torch.tensor([[[0.5, -0.5, -0.5]]]) / 0.28209479177387814,
    )


def arc_of_cameras() -> Cameras:
    azimuth = torch.tensor([-60.0, -20, 20, 60]).double().deg2rad()
    positions = MIDDLE + 5 * torch.stack([azimuth.sin(), torch.zeros(4), -azimuth.cos()], dim=1)
    focal_px, center_px = torch.full((4, 2), 40.0).double(), torch.tensor([[24.0, 16.0]] * 4).double()
    return Cameras(look_at(positions, MIDDLE, UP), focal_px, center_px, width=48, height=32)


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    """Write a red ball as a scene recorded by four cameras around it on one side."""
    ply = tmp_path / "scene.ply"
    ply.write_bytes(encode_ply(SceneFile(red_ball())))
    views = recorded_views(list("abcd"), ["0"] * 4, arc_of_cameras(), "input")
    write_record(record_path(ply), SceneRecord(views, SAME_FRAME, {"name": "none", "sha256": ""}, seed=0))
    return ply


def test_another_shape_crops() -> None:
    wide = fitted(arc_of_cameras(), 96, 32)  # 48x32 -> 96x64, and 16 rows off at the top and the bottom
    assert (wide.width, wide.height) == (96, 32)
    assert wide.focal_px[0].tolist() == [80, 80]
    assert wide.center_px[0].tolist() == [48, 16]


def test_an_orbit_keeps_the_ball_in_the_middle(scene: Path, tmp_path: Path) -> None:
    steps: list[Step] = []
    output = tmp_path / "out.mp4"
    result = fly(scene, output=output, seconds=0.5, fps=10.0, size=(49, 32), report=steps.append)
    assert (result.path, result.frames, result.fps, result.width, result.height) == ("orbit", 5, 10, 48, 32)
    assert (result.renderer, result.gaussians, result.warnings) == ("cpu", 1, ())
    assert set(result.timings_s) == {"load", "render", "encode", "total"}
    assert [s for s in steps if s.stage == "frames"] == [Step("frames", i, 5) for i in range(1, 6)]
    frames = [frame.astype(int) for frame in decoded(output)[1]]
    assert len(frames) == 5
    for frame in frames:
        assert frame.shape == (32, 48, 3)
        assert frame[16, 24, 0] > 200  # the ball is red
        assert frame[16, 24, 1] < 80
        assert frame[1, 1].min() > 240  # before white


def test_inputs_are_rendered_as_they_are(scene: Path, tmp_path: Path) -> None:
    """The film is compared with the renderer itself."""
    fly(scene, "inputs", output=tmp_path / "frames", seconds=4.0, fps=1.0, size=(48, 32))
    cameras = arc_of_cameras().to(torch.float32)
    expected = (render(red_ball(), cameras).color.clamp(0, 1) * 255).permute(0, 2, 3, 1).numpy()
    for i in range(4):
        frame = np.asarray(Image.open(tmp_path / "frames" / f"{i:04d}.png")).astype(int)
        assert np.abs(frame - expected[i]).max() <= 1


def test_full_orbit_passes_behind(scene: Path, tmp_path: Path) -> None:
    result = fly(scene, output=tmp_path / "a.gif", seconds=0.4, fps=10.0, size=(24, 16), full=True)
    assert (result.path, result.frames) == ("orbit", 4)


def test_photo_depth_and_confidence_beside_the_colours(scene: Path, tmp_path: Path) -> None:
    scene.write_bytes(encode_ply(SceneFile(red_ball(), confidence=torch.ones(1))))
    cameras = arc_of_cameras().to(torch.float32)
    for i, name in enumerate("abcd"):
        picture = (render(red_ball(), cameras[[i]]).color[0].clamp(0, 1) * 255).byte().permute(1, 2, 0).numpy()
        Image.fromarray(picture).save(tmp_path / name, format="png")
    result = fly(
        scene, "inputs", output=tmp_path / "f.png", seconds=4.0, fps=1.0, size=(48, 32),
        channels=("rgb", "depth", "confidence"), side_by_side=True, photos=tmp_path,
    )  # fmt: skip
    assert (result.width, result.height, result.channels) == (4 * 48, 32, ("rgb", "depth", "confidence"))
    assert result.depth_range is not None
    assert result.depth_range[0] == pytest.approx(5, rel=0.01)
    for i in range(4):
        photo, color, _, confidence = np.split(
            np.asarray(Image.open(tmp_path / f"f_000{i}.png")).astype(int), 4, axis=1
        )
        assert np.abs(photo - color).mean() < 2
        assert confidence[16, 24, 0] > 200  # yellow
        assert confidence[16, 24, 2] < 80


@pytest.mark.parametrize(
    ("path", "loop", "loops"),
    [("orbit", False, True), ("wobble", False, True), ("dolly", False, False), ("dolly-zoom", True, True),
     ("interpolate", False, False), ("interpolate", True, True), ("auto", False, True)],
)  # fmt: skip
def test_what_loops(scene: Path, tmp_path: Path, path: str, loop: bool, loops: bool) -> None:
    beside = replace(red_ball(), means=torch.tensor([[1.5, 0.8, 5.0]]), harmonics=red_ball().harmonics.flip(2))
    scene.write_bytes(encode_ply(SceneFile(Gaussians.concatenated(red_ball(), beside))))
    result = fly(scene, path, output=tmp_path / "f", seconds=2.0, fps=10.0, size=(48, 32), loop=loop)
    assert result.loops == loops
    frames = [np.asarray(Image.open(tmp_path / "f" / f"{i:04d}.png")).astype(float) for i in range(20)]
    steps = [np.abs(one - other).mean() for one, other in itertools.pairwise(frames)]
    jump = np.abs(frames[-1] - frames[0]).mean()
    assert (jump <= 1.2 * max(steps) + 0.1) == loops


def test_a_wobble_is_around_the_photo_that_is_named(scene: Path, tmp_path: Path) -> None:
    fly(scene, "wobble", output=tmp_path / "f.png", seconds=0.1, fps=10.0, size=(48, 32), photo="d")
    expected = render(red_ball(), arc_of_cameras()[[3]].to(torch.float32)).color[0].clamp(0, 1).permute(1, 2, 0) * 255
    frame = np.asarray(Image.open(tmp_path / "f_0000.png")).astype(float)
    assert np.abs(frame - expected.numpy()).mean() < 3


def test_a_path_that_was_asked_for_is_flown_and_doubted_where_no_photo_saw(scene: Path, tmp_path: Path) -> None:
    """Balls hang in the arc between the photos."""
    azimuth = torch.tensor([-40.0, 0, 40]).deg2rad()
    places = MIDDLE.float() + 4.8 * torch.stack([azimuth.sin(), torch.zeros(3), -azimuth.cos()], dim=1)
    balls = [replace(red_ball(), means=place[None], opacities=torch.tensor([0.99])) for place in places]
    scene.write_bytes(encode_ply(SceneFile(Gaussians.concatenated(red_ball(), *balls))))
    told = list[object]()
    wanted = FilmSettings("orbit", seconds=2.0, fps=10.0, size=(48, 32))

    def report(step: Step) -> None:
        told.append(step.stage)

    result = stage.fly(scene, wanted, output=tmp_path / "f.png", report=report, warn=told.append)
    assert "of the frames show what no photo saw" in result.warnings[0]
    assert told.index(result.warnings) < told.index("frames"), "before the long work"
    assert fly(scene, "inputs", output=tmp_path / "g.png", seconds=1.0, fps=4.0, size=(48, 32)).warnings == ()


def test_a_camera_path_file_goes_there_and_back(scene: Path, tmp_path: Path) -> None:
    poses = [torch.eye(4).flatten().tolist() for _ in range(3)]
    for i, pose in enumerate(poses):
        pose[3] = float(i)
    frames = [{"camera_to_world": pose, "fov": 50, "aspect": 1.5} for pose in poses]
    file = tmp_path / "path.json"
    file.write_text(json.dumps({"render_width": 48, "render_height": 32, "fps": 5, "camera_path": frames}))
    result = fly(scene, str(file), output=tmp_path / "f.png", loop=True)
    assert (result.frames, result.loops) == (4, True)
    file.write_text(json.dumps({"render_width": 10**4, "render_height": 320, "camera_path": frames}))
    with pytest.raises(InputError, match=r"that of .*path\.json is 10000x320; give 2 to 8192 px"):
        fly(scene, str(file), output=tmp_path / "g.png")


def test_camera_path_file(scene: Path, tmp_path: Path) -> None:
    """The ball stands before an OpenGL camera turned to +z, and behind one that looks along -z."""
    ahead, away = [-1, 0, 0, 0, 0, 1, 0, 0, 0, 0, -1, 0, 0, 0, 0, 1], torch.eye(4).flatten().tolist()
    frames = [{"camera_to_world": pose, "fov": 50, "aspect": 1.5} for pose in (ahead, away)]
    file = tmp_path / "path.json"
    file.write_text(json.dumps({"render_width": 48, "render_height": 32, "fps": 5, "camera_path": frames}))
    result = fly(scene, str(file), output=tmp_path / "f.png")
    assert (result.path, result.frames, result.fps, result.width) == ("path.json", 2, 5, 48)
    assert np.asarray(Image.open(tmp_path / "f_0000.png"))[16, 24].tolist()[0] > 200
    assert (np.asarray(Image.open(tmp_path / "f_0001.png")) == 255).all()


def test_a_scene_of_another_program(scene: Path, tmp_path: Path) -> None:
    record_path(scene).unlink()
    beside = replace(red_ball(), means=torch.tensor([[1.5, 0.8, 5.0]]))
    scene.write_bytes(encode_ply(SceneFile(Gaussians.concatenated(red_ball(), beside))))
    result = fly(scene, output=tmp_path / "f.png", seconds=0.8, fps=10.0, size=(48, 32))
    assert result.path == "orbit"
    assert "no record with cameras lies beside" in result.warnings[0]
    frame = np.asarray(Image.open(tmp_path / "f_0000.png")).astype(int)
    assert frame[16, 24, 0] - frame[16, 24, 1] > 100
    frames = {(tmp_path / f"f_000{i}.png").read_bytes() for i in range(8)}
    assert len(frames) == 8  # all the way round, not there and back


def test_the_recorded_background_is_used(scene: Path, tmp_path: Path) -> None:
    views = recorded_views(list("abcd"), ["0"] * 4, arc_of_cameras(), "input")
    model = {"name": "none", "sha256": ""}
    record = SceneRecord(views, SAME_FRAME, model, seed=0, background=(0.0, 0.0, 0.0))
    write_record(record_path(scene), record)
    fly(scene, output=tmp_path / "f.png", seconds=0.1, fps=10.0, size=(48, 32))
    assert np.asarray(Image.open(tmp_path / "f_0000.png"))[1, 1].max() < 10


def test_the_recorded_up_is_up_though_the_photos_lie_on_their_sides(scene: Path, tmp_path: Path) -> None:
    """A blue ball above the red one, four photos turned by a quarter that do not betray it: above it is in the film."""
    above = replace(red_ball(), means=(MIDDLE + UP).float()[None], harmonics=red_ball().harmonics.flip(2))
    scene.write_bytes(encode_ply(SceneFile(Gaussians.concatenated(red_ball(), above))))
    lying = arc_of_cameras()
    quarter = torch.tensor([[0.0, -1, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]).double()
    lying = lying.moved(lying.world_from_cam @ quarter)
    record = SceneRecord(recorded_views(list("abcd"), ["0"] * 4, lying, "input"), SAME_FRAME, {}, seed=0)
    write_record(record_path(scene), replace(record, up=tuple(UP.tolist())))
    fly(scene, output=tmp_path / "f.png", seconds=0.1, fps=10.0, size=(48, 48))
    red, _, blue = np.asarray(Image.open(tmp_path / "f_0000.png")).astype(int).transpose(2, 0, 1)
    row, column = (int(i) for i in np.unravel_index((blue - red).argmax(), blue.shape))
    assert row < 18
    assert abs(column - 24) < 5


def test_gaussians_that_are_not_finite_are_said(scene: Path, tmp_path: Path) -> None:
    ball = red_ball()
    content = encode_ply(SceneFile(Gaussians.concatenated(ball, ball)))
    scene.write_bytes(content[:-4] + np.float32(math.nan).tobytes())
    result = fly(scene, output=tmp_path / "f.png", seconds=0.1, fps=10.0, size=(48, 32))
    assert result.gaussians == 1
    assert result.warnings[0].startswith("1 Gaussians of")


def test_a_folder_in_place_of_a_scene_is_told_from_none(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"is a folder; it holds no scene; name a file\.$"):
        fly(tmp_path, output=tmp_path / "a.mp4")
    with pytest.raises(InputError, match=r"none\.ply does not exist\.$"):
        fly(tmp_path / "none.ply", output=tmp_path / "a.mp4")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"path": "zigzag"}, "--path zigzag is unknown; use auto, orbit"),
        ({"path": "orbits"}, r"--path orbits is unknown \(did you mean orbit\?\); use auto, orbit"),
        ({"path": "none.json"}, r"none\.json does not exist"),
        ({"path": "a.json", "seconds": 2.0}, "--seconds does not go with"),
        ({"path": "spiral", "full": True}, "does not go with --path spiral"),
        ({"path": "spiral", "photo": "a"}, "--at goes with --path wobble, dolly, dolly-zoom, not with spiral"),
        ({"path": "wobble", "photo": "z"}, r"was not predicted from a photo of that name; its inputs are a, b, c"),
        ({"channels": ("rgb", "heat")}, "--channels has 'heat'; use one or more of rgb, depth"),
        ({"channels": ("confidence",)}, r"holds no confidence; make it again with `ilrm reconstruct --confidence`"),
        ({"photos": Path(".")}, "--photos goes with --side-by-side"),
        ({"side_by_side": True}, "are not where its record says; name their folder with --photos"),
        ({"side_by_side": True, "photos": Path("none")}, "none does not exist"),
        ({"size": (4200, 100), "side_by_side": True}, "8192 for all 2 panels together"),
        ({"seconds": 0.0}, "--seconds is 0.0"),
        ({"seconds": 1e9}, "is 2.4e.10 frames; 100,000 are the most"),
        ({"seconds": 1e300, "fps": 1e300}, "is inf frames"),
        ({"fps": 1e8}, r"--fps makes 4 seconds of film 4e.08 frames; 100,000 are the most"),
        ({"fps": math.nan}, "--fps is nan"),
        ({"size": (0, 10)}, "--size is 0x10"),
    ],
)  # fmt: skip
def test_options_that_cannot_be(scene: Path, tmp_path: Path, options: dict, message: str) -> None:
    before = sorted(tmp_path.iterdir())
    with pytest.raises(InputError, match=message):
        fly(scene, output=tmp_path / "a.mp4", **options)
    assert sorted(tmp_path.iterdir()) == before


def test_an_output_that_exists_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").touch()
    (tmp_path / "empty.ply").touch()
    with pytest.raises(InputError, match="exists; pass -w"):
        fly(tmp_path / "empty.ply", output=tmp_path / "a.mp4")
