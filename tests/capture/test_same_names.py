"""Photos of equal names in two folders, and poses of tools that do not tell them apart by folders."""

import json
from pathlib import Path

import numpy as np
import pytest

from ilrm_cli.capture.load import gather
from ilrm_cli.capture.photos.folder import open_folder
from ilrm_cli.geometry.views import Capture
from ilrm_cli.runtime.errors import InputError
from tests.support.photographed import FOCAL, HEIGHT, WIDTH, cameras_on_an_arc, save_photos
from tests.support.tool_projects import rows_of

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


def metashape(folder: Path, groups: dict[str, str]) -> None:
    """Write a camera for each photo, in a group by its folder."""
    sensor = (
        f'<sensor id="0"><resolution width="{WIDTH}" height="{HEIGHT}"/><calibration><f>{FOCAL}</f></calibration>'
        "</sensor>"
    )
    inside: dict[str, str] = {}
    for i, place in enumerate(PLACES):
        pose = f"<transform>{rows_of(POSES[place])}</transform>"
        camera = f'<camera id="{i}" sensor_id="0" label="{Path(place).stem}">{pose}</camera>'
        label = groups[Path(place).parent.name]
        inside[label] = inside.get(label, "") + camera
    grouped = "".join(f'<group label="{label}">{cameras}</group>' for label, cameras in inside.items())
    (folder / "doc.xml").write_text(
        f"<document><chunk><sensors>{sensor}</sensors><cameras>{grouped}</cameras></chunk></document>"
    )


def inria(folder: Path, places: list[str]) -> None:
    content = [
        {"img_name": Path(place).stem, "width": WIDTH, "height": HEIGHT, "position": POSES[place][:3, 3].tolist(),
         "rotation": POSES[place][:3, :3].tolist(), "fx": FOCAL, "fy": FOCAL}
        for place in places
    ]  # fmt: skip
    (folder / "cameras.json").write_text(json.dumps(content))


def test_groups_of_metashape_are_folders(tmp_path: Path) -> None:
    project(tmp_path)
    metashape(tmp_path, {"one": "one", "two": "two"})
    assert exact(tmp_path, PLACES).warnings == ()


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
