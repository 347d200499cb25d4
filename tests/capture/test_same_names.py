"""Photos of equal names in two folders, and poses of tools that do not tell them apart by folders."""

import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from ilrm_cli.capture.load import gather
from ilrm_cli.capture.photos.folder import open_folder
from ilrm_cli.geometry.views import Capture
from ilrm_cli.runtime.errors import InputError
from tests.support.photographed import FOCAL, HEIGHT, WIDTH, cameras_on_an_arc, save_photos
from tests.support.tool_projects import rows_of, table_of

PLACES = ["one/0.png", "one/1.png", "two/0.png", "two/1.png", "two/2.png", "two/3.png"]
POSES = dict(zip(PLACES, cameras_on_an_arc(len(PLACES)), strict=True))


def project(folder: Path) -> None:
    for place, path in zip(PLACES, save_photos(folder, list(POSES.values())), strict=True):
        (folder / place).parent.mkdir(exist_ok=True)
        path.rename(folder / place)


def exact(folder: Path, places: list[str]) -> Capture:
    """Check that these photos have their own poses, and no other photo has one."""
    capture = gather(open_folder(folder))
    assert [photo.name for photo in capture.photos] == places
    for photo in capture.photos:
        np.testing.assert_allclose(photo.world_from_cam, POSES[photo.name], atol=1e-9)
    return capture


def metashape(folder: Path, groups: dict[str, str], poses: dict[str, np.ndarray] = POSES) -> None:
    """Write a camera for each photo, in a group by its folder."""
    sensor = (
        f'<sensor id="0"><resolution width="{WIDTH}" height="{HEIGHT}"/><calibration><f>{FOCAL}</f></calibration>'
        "</sensor>"
    )
    inside: dict[str, str] = {}
    for i, place in enumerate(poses):
        pose = f"<transform>{rows_of(poses[place])}</transform>"
        camera = f'<camera id="{i}" sensor_id="0" label="{Path(place).stem}">{pose}</camera>'
        label = groups.get(Path(place).parent.name, "")
        inside[label] = inside.get(label, "") + camera
    grouped = "".join(f'<group label="{label}">{cameras}</group>' for label, cameras in inside.items())
    (folder / "doc.xml").write_text(
        f"<document><chunk><sensors>{sensor}</sensors><cameras>{grouped}</cameras></chunk></document>"
    )


def inria(folder: Path, places: Iterable[str], poses: dict[str, np.ndarray] = POSES) -> None:
    content = [
        {"img_name": Path(place).stem, "width": WIDTH, "height": HEIGHT, "position": poses[place][:3, 3].tolist(),
         "rotation": poses[place][:3, :3].tolist(), "fx": FOCAL, "fy": FOCAL}
        for place in places
    ]  # fmt: skip
    (folder / "cameras.json").write_text(json.dumps(content))


def test_groups_of_metashape_are_folders(tmp_path: Path) -> None:
    project(tmp_path)
    metashape(tmp_path, {"one": "one", "two": "two"})
    assert exact(tmp_path, PLACES).warnings == ()


@pytest.mark.parametrize("first", [2, 3])
@pytest.mark.parametrize("tool", ["grouped", "metashape", "realitycapture", "inria"])
def test_bare_names_of_photos_in_two_folders(tmp_path: Path, tool: str, first: int) -> None:
    """Poses of six photos, of which the first two or three are in one folder; and no word, as nothing is unclear."""
    places = [f"{100 + (i >= first)}MEDIA/DJI_{i}.png" for i in range(len(PLACES))]
    poses = list(POSES.values())
    for place, path in zip(places, save_photos(tmp_path, poses), strict=True):
        (tmp_path / place).parent.mkdir(exist_ok=True)
        path.rename(tmp_path / place)
    named = dict(zip(places, poses, strict=True))
    if tool == "inria":
        inria(tmp_path, named, named)
    elif tool == "realitycapture":
        (tmp_path / "cameras.csv").write_text(table_of({Path(place).name: pose for place, pose in named.items()}))
    else:
        metashape(tmp_path, {"100MEDIA": "100MEDIA" if tool == "grouped" else "all", "101MEDIA": "101MEDIA"}, named)
    capture = gather(open_folder(tmp_path))
    assert capture.warnings == ()
    assert [photo.name for photo in capture.photos] == places
    for photo in capture.photos:
        np.testing.assert_allclose(photo.world_from_cam, named[photo.name], atol=1e-9)


def test_files_of_one_shot_beside_each_other(tmp_path: Path) -> None:
    paths = save_photos(tmp_path, list(POSES.values()), prefix="DJI")
    named = {path.name: pose for path, pose in zip(paths, POSES.values(), strict=True)}
    for path in paths[1:]:
        path.with_suffix(".DNG").write_bytes(b"raw")
    metashape(tmp_path, {"": ""}, named)
    capture = gather(open_folder(tmp_path))
    assert [photo.name for photo in capture.photos] == [path.name for path in paths]
    assert "5 photos that" in capture.warnings[0]
    assert "in several formats; used are DJI_001.png, not DJI_001.DNG, " in capture.warnings[0]
    assert {left.reason for left in capture.left_out if left.name == "DJI_001.DNG"} == {"DJI_001.png is the same shot"}


def test_labels_of_one_group_that_are_not_unique_give_no_pose(tmp_path: Path) -> None:
    project(tmp_path)
    metashape(tmp_path, {"one": "all", "two": "all"})
    assert (
        "several photos the same name, whose poses are left out: all/0, all/1"
        in exact(tmp_path, PLACES[4:]).warnings[0]
    )


def test_bare_names_that_are_not_unique_give_no_pose(tmp_path: Path) -> None:
    project(tmp_path)
    inria(tmp_path, PLACES)
    assert "several photos the same name, whose poses are left out: 0, 1." in exact(tmp_path, PLACES[4:]).warnings[0]


def test_where_no_name_is_unique_the_file_is_refused(tmp_path: Path) -> None:
    project(tmp_path)
    inria(tmp_path, PLACES[:4])
    with pytest.raises(InputError, match=r"several photos each of its names \(0, 1\)"):
        gather(open_folder(tmp_path))


def test_equal_poses_of_one_name_are_one(tmp_path: Path) -> None:
    project(tmp_path)
    inria(tmp_path, [*PLACES[2:], PLACES[3]])
    exact(tmp_path, PLACES[2:])


@pytest.mark.parametrize("groups", [{"": ""}, {"": "all"}])
def test_photos_come_before_a_full_copy_in_a_folder(tmp_path: Path, groups: dict[str, str]) -> None:
    names = [f"{i}.png" for i in range(3)]
    poses = dict(zip(names, cameras_on_an_arc(3), strict=True))
    (tmp_path / "thumbs").mkdir()
    for name, path in zip(names, save_photos(tmp_path, list(poses.values())), strict=True):
        path.rename(tmp_path / name)
        (tmp_path / "thumbs" / name).write_bytes((tmp_path / name).read_bytes())
    metashape(tmp_path, groups, poses)
    assert [photo.name for photo in gather(open_folder(tmp_path)).photos] == names


def test_names_in_two_folders_are_of_the_one_with_most(tmp_path: Path) -> None:
    """Or of none, with a word, if both have as many."""
    places = ["one/0.png", "one/1.png", "one/2.png", "two/2.png", "two/3.png"]
    poses = dict(zip(places, cameras_on_an_arc(len(places)), strict=True))
    for place, path in zip(places, save_photos(tmp_path, list(poses.values())), strict=True):
        (tmp_path / place).parent.mkdir(exist_ok=True)
        path.rename(tmp_path / place)
    named = {place: pose for place, pose in poses.items() if place != "two/2.png"}
    inria(tmp_path, named, named)
    capture = gather(open_folder(tmp_path))
    assert [photo.name for photo in capture.photos] == list(named)
    assert "used are one/2.png for 2" in capture.warnings[0]
    (tmp_path / "one" / "0.png").unlink()
    capture = gather(open_folder(tmp_path))
    assert [photo.name for photo in capture.photos] == ["one/1.png", "two/3.png"]
    assert "are in several folders and left out: 2." in capture.warnings[0]
    assert "are not there and left out: 0." in capture.warnings[1]
