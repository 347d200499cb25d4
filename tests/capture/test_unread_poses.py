"""Poses in folders of any name are read where they can be; what cannot be read is named before others are found."""

import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from ilrm_cli.capture import load
from ilrm_cli.capture.load import gather
from ilrm_cli.capture.photos.folder import PoseSettings, ProjectFolder, open_folder
from ilrm_cli.geometry.views import Capture
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.runtime.progress import Report
from tests.support.photographed import FOCAL, HEIGHT, WIDTH, cameras_on_an_arc, save_photos
from tests.support.posed_projects import quaternion, write_colmap
from tests.support.tool_projects import TOOLS, transforms

POSES = cameras_on_an_arc(3)
NAMES = [f"photo_00{i}.png" for i in range(3)]


def rows(matrices: list[np.ndarray]) -> str:
    return "".join(f"{' '.join(map(str, matrix.ravel()))}\n" for matrix in matrices)


def of_time(place: np.ndarray) -> str:
    w, x, y, z = quaternion(place).split()
    return f"1305031102.1 {' '.join(map(str, place[:3, 3]))} {x} {y} {z} {w}"


MATRICES = "".join(
    f"{i} {i} 0\n" + "\n".join(" ".join(map(str, row)) for row in pose) + "\n" for i, pose in enumerate(POSES)
)
ONE = "\n".join(" ".join(map(str, row)) for row in POSES[0])
TABLES = {
    "traj.txt": rows(POSES),  # Replica
    "poses.txt": rows([pose[:3] for pose in POSES]),  # KITTI
    "groundtruth.txt": "# timestamp tx ty tz qx qy qz qw\n" + "\n".join(map(of_time, POSES)),  # TUM
    "KeyFrameTrajectory.csv": "\n".join(map(of_time, POSES)).replace(" ", ","),
    "cam_poses.txt": "".join(f"{i} {line}\n" for i, line in enumerate(rows(POSES).splitlines())),
    "scaled.txt": rows([2 * pose[:3] for pose in POSES]),
    "Barn_COLMAP_SfM.log": MATRICES,  # Tanks and Temples
}
OF_KINDS = {
    "odometry.csv": "timestamp, frame, x, y, z, qx, qy, qz, qw\n",
    "lowres_wide.traj": "1 2 3 4 5 6 7\n",
    "frame_annotations.jgz": "",
    "sensors/trajectories.txt": "# kapture format: 1.1\n",
    "x_calibrated_external_camera_parameters.txt": "imageName X Y Z Omega Phi Kappa\n",
    "opk.txt": "# CoordinateSystem: LOCAL\n#PhotoID, X, Y, Z, Omega, Phi, Kappa, r11\n",
    "blocks.xml": "<?xml version='1.0'?>\n<BlocksExchange version='3.2'>\n",
    "frame-000000.pose.txt": ONE,
    "cams/00000000_cam.txt": f"extrinsic\n{ONE}\n",
    "pose/0.txt": ONE,
    "undistorted/sfm_data.json": "{}",
}
NO_POSES = {
    "points.txt": "1 2 3 255 0 0\n4 5 6 0 255 0\n",
    "eight.txt": "1 2 3 4 5 6 7 8\n1 2 3 4 5 6 7 8\n",
    "twelve.txt": f"{'1 ' * 12}\n{'1 ' * 12}\n",
    "zeros.txt": f"{'0 ' * 16}\n{'0 ' * 16}\n",
    "notes.txt": "a castle\n",
    "empty.txt": "",
    "one.log": "3 4 5\n",
    "photo_000.txt": "0 0.5 0.5 0.1 0.1\n",
    "other.npz": "",
}


def beside_photos(folder: Path, files: dict[str, str], photos: Sequence[str] = NAMES) -> tuple[str, ...]:
    """Write files beside photos, which nothing opens; return what is said to be not read."""
    for name, text in (dict.fromkeys(photos, "") | files).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return open_folder(folder).not_read


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("inside", ["", "calibration/"])
def test_a_table_of_poses_is_named(tmp_path: Path, name: str, inside: str) -> None:
    (said,) = beside_photos(tmp_path, {inside + name: TABLES[name]})
    assert said.startswith(f"{inside}{name} holds poses of photos that it does not name, which are not read; a COLMAP")


@pytest.mark.parametrize("name", OF_KINDS)
def test_poses_of_data_sets_are_named_once(tmp_path: Path, name: str) -> None:
    (said,) = beside_photos(tmp_path, {name: OF_KINDS[name]})
    assert said.startswith(name.split("/")[0])
    assert "not read" in said
    assert len(said) <= 200


def test_cameras_of_neus_are_named(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "cameras_sphere.npz", "w") as file:
        file.writestr("world_mat_0.npy", b"")
    (said,) = beside_photos(tmp_path, {})
    assert "cameras of IDR or NeuS" in said


def test_the_metadata_of_others_are_not_those_of_record3d(tmp_path: Path) -> None:
    photos = {f"rgb/{name}": "" for name in NAMES}
    wild = photos | {"metadata": '{"w": 320, "h": 240, "K": [1]}', "cam_poses.txt": TABLES["cam_poses.txt"]}
    (said,) = beside_photos(tmp_path, wild, photos=())
    assert said.startswith("cam_poses.txt holds poses")
    assert open_folder(tmp_path).tool is None


def bounds(poses: list[np.ndarray], reduced: int = 1) -> np.ndarray:
    """Return the table that LLFF makes of poses, for photos that were reduced since."""
    size = [[reduced * HEIGHT], [reduced * WIDTH], [reduced * FOCAL]]
    columns = [np.hstack([pose[:3, [1]], pose[:3, [0]], -pose[:3, [2]], pose[:3, [3]], size]) for pose in poses]
    return np.array([[*matrix.ravel(), 1.0, 9.0] for matrix in columns])


@pytest.mark.parametrize(("reduced", "kind"), [(1, np.float64), (4, np.float64), (4, np.float32)])
def test_poses_of_llff(tmp_path: Path, reduced: int, kind: type) -> None:
    save_photos(tmp_path / "images", POSES)
    np.save(tmp_path / "poses_bounds.npy", bounds(POSES, reduced).astype(kind))
    capture = gather(open_folder(tmp_path))
    assert (capture.origin, [photo.name for photo in capture.photos]) == ("llff", NAMES)
    for photo, pose in zip(capture.photos, POSES, strict=True):
        np.testing.assert_allclose(photo.world_from_cam, pose, atol=1e-12 if kind == np.float64 else 1e-6)
        assert photo.lens.params[0] / photo.lens.width == pytest.approx(FOCAL / WIDTH)
    assert "in the order of the photos' names" in capture.warnings[0]


@pytest.mark.parametrize("table", [bounds(POSES[:2]), bounds(POSES)[:, :15], bounds(POSES).astype(object)])
def test_a_table_of_llff_for_other_photos_is_named(tmp_path: Path, table: np.ndarray) -> None:
    np.save(tmp_path / "poses_bounds.npy", table)
    (said,) = beside_photos(tmp_path, {})
    assert said.startswith("poses_bounds.npy is a table of LLFF, which names no photos")


def test_a_damaged_table_of_llff(tmp_path: Path) -> None:
    table = bounds(POSES)
    table[1, 0] = np.nan
    np.save(tmp_path / "poses_bounds.npy", table)
    beside_photos(tmp_path, {})
    with pytest.raises(InputError, match=r"poses_bounds\.npy are damaged .* not finite .* --poses sfm"):
        gather(open_folder(tmp_path))


def test_what_holds_no_poses_is_not_named(tmp_path: Path) -> None:
    assert beside_photos(tmp_path, NO_POSES) == ()
    assert beside_photos(tmp_path / "texts", {f"{i}.txt": rows(POSES) for i in range(21)}) == ()  # one for each photo


def test_poses_that_are_read_go_before_those_that_are_not(tmp_path: Path) -> None:
    write_colmap(tmp_path / "sparse" / "0", NAMES, POSES)
    assert beside_photos(tmp_path, {"scan/x.psx": ""}) == ()


@pytest.mark.parametrize(
    ("photos", "model", "names"),
    [
        ("images/dslr", "dslr_calibration_undistorted", "dslr/"),  # ETH3D
        ("resized_images", "colmap", ""),  # ScanNet++
        ("dslr/resized_images", "dslr/colmap", ""),
        ("images", "colmap/0", ""),
        ("images", "0", ""),
        ("Images", "Sparse/0", ""),
        (".", "colmap_text", ""),
    ],
)
def test_a_colmap_model_in_a_folder_of_any_name(tmp_path: Path, photos: str, model: str, names: str) -> None:
    save_photos(tmp_path / photos, POSES)
    write_colmap(tmp_path / model, [f"{names}{name}" for name in NAMES], POSES)
    folder = open_folder(tmp_path)
    assert folder.model == tmp_path / model
    capture = gather(folder)
    assert capture.origin == "colmap"
    for photo, pose in zip(capture.photos, POSES, strict=True):
        np.testing.assert_allclose(photo.world_from_cam, pose, atol=1e-9)


@pytest.mark.parametrize("tool", ["metashape", "realitycapture", "bundler", "opensfm", "inria"])
def test_poses_of_other_tools_in_a_folder_of_any_name(tmp_path: Path, tool: str) -> None:
    TOOLS[tool](tmp_path / "made")
    save_photos(tmp_path / "photos", POSES)
    for photo in list((tmp_path / "made").rglob("*.png")):
        photo.unlink()
    folder = open_folder(tmp_path)
    assert folder.tool is not None
    assert [Path(photo.name).name for photo in gather(folder).photos] == NAMES
    (tmp_path / "again").mkdir()
    for file in (tmp_path / "made").glob("*.*"):
        (tmp_path / "again" / file.name).write_bytes(file.read_bytes())
    folder = open_folder(tmp_path)
    assert folder.tool is None
    assert "poses in again/" in folder.not_read[0]


def test_a_transforms_json_away_from_its_photos_is_named(tmp_path: Path) -> None:
    transforms("transforms.json")(tmp_path / "nerfstudio")
    (tmp_path / "nerfstudio" / "images").rename(tmp_path / "resized_images")
    (said,) = open_folder(tmp_path).not_read
    assert said.startswith("poses in nerfstudio/transforms.json of")


@pytest.mark.parametrize("model", ["old", "old/0", "old/sparse/0"])
@pytest.mark.parametrize("named", [["a.png", "b.png", "c.png"], [NAMES[0], "b.png", "c.png"]], ids=["none", "few"])
def test_a_model_of_other_photos_in_a_folder_of_any_name_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: str, named: list[str]
) -> None:
    save_photos(tmp_path, POSES)
    write_colmap(tmp_path / model, named, POSES)
    said: list[str] = []

    def found(folder: ProjectFolder, wanted: PoseSettings, report: Report, not_read: tuple[str, ...]) -> Capture:
        said.extend(not_read)
        return Capture((), 3, "sfm", np.zeros((0, 3)))

    monkeypatch.setattr(load, "_from_sfm", found)
    with pytest.raises(InputError, match="only one photo with a pose"):  # of what was found in place of it
        gather(open_folder(tmp_path))
    (sentence,) = said
    assert sentence.startswith(f"{tmp_path / model} is not used (")
    meant = "(it gives 1 of 3 photos a pose); if it is meant, add --poses colmap."
    assert sentence.endswith(meant if NAMES[0] in named else "(none of the 3 photos is among those that it names).")
    with pytest.raises(InputError, match=r"None of the 3 photos|only one photo with a pose"):
        gather(open_folder(tmp_path), PoseSettings("colmap"))


def test_of_several_models_in_folders_of_any_name_none_is_guessed(tmp_path: Path) -> None:
    for name in ("dslr_calibration_jpg", "dslr_calibration_undistorted"):
        write_colmap(tmp_path / name, NAMES, POSES)
    (said,) = beside_photos(tmp_path, {})
    assert "COLMAP models in dslr_calibration_jpg, dslr_calibration_undistorted, and none is read" in said


def test_folders_with_photos_are_projects_of_their_own(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_colmap(tmp_path / name, NAMES, POSES)
        assert beside_photos(tmp_path / name, {}) == ()
    assert open_folder(tmp_path).model is None


def test_photos_of_the_same_names_in_two_folders_are_not_guessed(tmp_path: Path) -> None:
    write_colmap(tmp_path / "colmap", NAMES, POSES)
    beside_photos(tmp_path / "resized_images", {})
    beside_photos(tmp_path / "undistorted_images", {})
    with pytest.raises(InputError, match=r"several folders \(resized_images, undistorted_images\), and nothing tells"):
        gather(open_folder(tmp_path))
