"""Photos beside the film, compared with pictures of the scene that were written as photos and found again."""

from pathlib import Path

import numpy as np
import pytest
import torch
from jaxtyping import UInt8
from numpy import ndarray
from PIL import Image

from ilrm_cli.capture.photos.folder import VideoChoice
from ilrm_cli.capture.photos.video import frames_of_video
from ilrm_cli.geometry.cameras import Cameras, fitted
from ilrm_cli.geometry.frames import upright
from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.render.video import write_video
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.scene.formats.scene_file import SceneFile
from ilrm_cli.scene.opened import WHITE, ShownScene
from ilrm_cli.visualize.film.channels import Film
from ilrm_cli.visualize.film.photo_panels import PhotoPanels, find_photos
from tests.support.captures import TARGET, UP, arc


def colourful() -> Gaussians:
    draw = torch.Generator().manual_seed(3)
    return Gaussians(
        means=TARGET.float() + 0.8 * torch.randn(60, 3, generator=draw),
        quaternions=torch.tensor([1.0, 0, 0, 0]).repeat(60, 1),
        scales=torch.full((60, 3), 0.2),
        opacities=torch.full((60,), 0.9),
        harmonics=torch.randn(60, 1, 3, generator=draw),
    )


FILM = Film(ShownScene(arc([0]), WHITE, 0.01, SceneFile(colourful())), ("rgb",))


def shown(cameras: Cameras) -> list[UInt8[ndarray, "height width 3"]]:
    return [FILM.frame(cameras[[i]].to(torch.float32)) for i in range(len(cameras))]


def written(folder: Path, pictures: list[ndarray]) -> tuple[Path, ...]:
    for i, picture in enumerate(pictures):
        Image.fromarray(picture).save(folder / f"{i}.png")
    return tuple(folder / f"{i}.png" for i in range(len(pictures)))


def differences(one: ndarray, other: ndarray) -> float:
    return float(np.abs(one.astype(float) - other).mean())


def square_on(cameras: Cameras) -> Cameras:
    """Crop to the centre, as recorded cameras are."""
    return fitted(cameras, cameras.width, cameras.height)


@pytest.mark.parametrize("size", [(64, 48), (128, 96), (96, 96), (40, 20)])
def test_a_photo_lies_over_the_frame_of_its_camera(tmp_path: Path, size: tuple[int, int]) -> None:
    """Photos twice as fine as the recorded cameras, films of several sizes and shapes."""
    recorded = arc([-30, 20])
    photos = written(tmp_path, shown(fitted(recorded, 128, 96)))
    filmed = fitted(recorded, *size)
    panels = PhotoPanels(photos, recorded, filmed, 4.0, WHITE)
    for i, frame in enumerate(shown(filmed)):
        assert differences(panels.picture(i, FILM), frame) < 4
        assert differences(panels.picture(1 - i, FILM), frame) > 8


def test_a_photo_that_lies_on_its_side_is_turned_with_its_camera(tmp_path: Path) -> None:
    recorded = arc([-30, 20])
    quarter = torch.tensor([[0.0, -1, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]).double()
    lying = recorded.moved(recorded.world_from_cam @ quarter)
    photos = written(tmp_path, shown(lying))
    filmed = lying.moved(upright(lying.world_from_cam, UP))
    panels = PhotoPanels(photos, lying, filmed, 4.0, WHITE)
    middle = (slice(None), slice(8, 56))  # what the lying photo does not show stays white
    for i, frame in enumerate(shown(filmed)):
        assert differences(panels.picture(i, FILM)[middle], frame[middle]) < 6


@pytest.mark.parametrize("turns", [1, 3])
def test_a_portrait_among_landscapes_is_turned_as_the_scene_shows(tmp_path: Path, turns: int) -> None:
    recorded = arc([-30, 20])
    photos = written(tmp_path, [np.rot90(picture, -turns) for picture in shown(recorded)])
    panels = PhotoPanels(photos, recorded, recorded, 4.0, WHITE)
    for i, frame in enumerate(shown(recorded)):
        assert differences(panels.picture(i, FILM), frame) < 4


@pytest.mark.parametrize("turns", [1, 3])
def test_a_photo_is_turned_as_recorded_whatever_the_scene_shows(tmp_path: Path, turns: int) -> None:
    recorded = arc([-30, 20])
    photos = written(tmp_path, [np.rot90(picture, -turns) for picture in shown(recorded)])
    elsewhere = arc([100, 150])  # the scene from there is no help
    panels = PhotoPanels(photos, elsewhere, elsewhere, 4.0, WHITE, (turns, turns))
    for i, picture in enumerate(shown(recorded)):
        assert differences(panels.picture(i, FILM), picture) < 4


def test_the_nearest_photo_stands_beside_a_frame(tmp_path: Path) -> None:
    recorded = arc([-30, 20])
    photos = written(tmp_path, shown(recorded))
    panels = PhotoPanels(photos, recorded, recorded, 4.0, WHITE)
    assert differences(panels.beside(arc([-20]), FILM), shown(recorded)[0]) < 4
    assert differences(panels.beside(arc([10]), FILM), shown(recorded)[1]) < 4


@pytest.mark.parametrize("place", ["", "images", "input"])
def test_photos_are_found_where_tools_put_them(tmp_path: Path, place: str) -> None:
    folder = tmp_path / place
    (folder / "a").mkdir(parents=True)
    for name in ("a/1.jpg", "2.jpg"):
        (folder / name).touch()
    assert find_photos(tmp_path, ("a/1.jpg", "2.jpg")) == (folder / "a" / "1.jpg", folder / "2.jpg")


def test_photos_are_found_below_the_folder_that_their_names_are_relative_to(tmp_path: Path) -> None:
    (tmp_path / "undistorted" / "images").mkdir(parents=True)
    (tmp_path / "undistorted" / "images" / "1.jpg").touch()
    with pytest.raises(InputError, match="lacks 1 of them"):
        find_photos(tmp_path, ("1.jpg",))
    root = tmp_path / "undistorted" / "images"
    assert find_photos(tmp_path, ("1.jpg",), root=root) == (root / "1.jpg",)


def test_photos_that_are_not_there(tmp_path: Path) -> None:
    (tmp_path / "1.jpg").touch()
    with pytest.raises(InputError, match=r"lacks 1 of them \(2\.jpg\); name their folder with --photos"):
        find_photos(tmp_path, ("1.jpg", "2.jpg"))
    with pytest.raises(InputError, match="does not exist"):
        find_photos(tmp_path / "none", ("1.jpg",))
    with pytest.raises(InputError, match="is no folder"):
        find_photos(tmp_path / "1.jpg", ("1.jpg",))


def test_frames_of_a_video_are_found_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Frames that the scene was made from are found by name; frames that the choice does not take are missing."""
    monkeypatch.setenv("ILRM_CACHE", str(tmp_path / "cache"))
    clips = tmp_path / "clips"
    clips.mkdir()
    frames = [np.full((48, 64, 3), 20 * i, np.uint8) for i in range(8)]
    write_video(clips / "walk.mp4", frames, fps=4.0)
    choice = VideoChoice(fps=2.0, max_frames=3)
    taken, _ = frames_of_video(clips / "walk.mp4", choice)
    names = [f"walk.mp4/{file.name}" for file in taken]
    for place in (clips / "walk.mp4", clips):  # the video, and a folder of videos
        assert find_photos(place, names[::-1], choice) == tuple(taken[::-1])
    with pytest.raises(InputError, match=r"lacks 1 of them \(walk\.mp4/9s\.jpg\)"):
        find_photos(clips / "walk.mp4", ("walk.mp4/9s.jpg",), choice)


@pytest.mark.parametrize("place", ["", "images"])
def test_views_of_360_degree_photos_are_cut_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    monkeypatch.setenv("ILRM_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "photos" / place
    (folder / "a").mkdir(parents=True)
    Image.fromarray(np.full((64, 128, 3), 90, np.uint8)).save(folder / "a" / "p.jpg")
    found = find_photos(tmp_path / "photos", ("a/p.jpg/5.jpg", "a/p.jpg/0.jpg"))
    assert [file.name for file in found] == ["5.jpg", "0.jpg"]
    assert [Image.open(file).size for file in found] == [(320, 320)] * 2
    with pytest.raises(InputError, match=r"lacks 1 of them \(a/p\.jpg/9\.jpg\)"):
        find_photos(tmp_path / "photos", ("a/p.jpg/9.jpg",))
