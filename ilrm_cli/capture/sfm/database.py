"""Features and matches of photos in a COLMAP database, everything seeded and in one order.

Long calls of pycolmap show progress and end at Ctrl-C.
"""

from collections.abc import Callable, Mapping, Sequence, Set
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import TypeVar

import numpy as np
from jaxtyping import Float32
from numpy import ndarray

from ilrm_cli.capture.photos.near_duplicates import most_alike, signature_of
from ilrm_cli.capture.poses.colmap_library import pycolmap
from ilrm_cli.capture.poses.lenses import colmap_camera, scaled_lens
from ilrm_cli.capture.sfm.match_graph import MatchGraph
from ilrm_cli.geometry.cameras import Lens
from ilrm_cli.runtime.pictures import open_picture
from ilrm_cli.runtime.progress import Report, Step
from ilrm_cli.runtime.threads import in_threads

EXHAUSTIVE_UP_TO = 60  # photos; beyond, matching every pair would take tens of minutes on a laptop
NEIGHBOURS = 10  # photos after each one that are matched in a sequence
# Photos that look most similar to each one: of 200 photos from two rounds through a room 78 % of them are within 5
# places of it, in one round or the other, where chance would give 11 %.
ALIKE = 8
SMALL_PX = (160, 160)  # minimum size at which JPEGs are decoded for visual comparison
LOOP_PHOTOS = 40  # evenly spaced photos of a long sequence that are matched pairwise, to close loops

POLL_S = 0.2  # interval between progress polls

Result = TypeVar("Result")


def register(database: Path, folder: Path, names: list[str], lenses: Mapping[str, Lens]) -> None:
    """Register photos and cameras before any feature: photo i gets id i + 1, whichever thread reads it first.

    Every photo has a camera of its own, the one in `lenses` or a guess from EXIF: for photos that share an unknown lens
    COLMAP takes twice as long to verify pairs and finds fewer matches. `share_cameras` joins them later.
    """
    with pycolmap.Database.open(database) as writer:
        for image_id, name in enumerate(names, 1):
            camera = pycolmap.infer_camera_from_image(folder / name)
            if name in lenses:
                camera = colmap_camera(scaled_lens(lenses[name], camera.width, camera.height))
                camera.has_prior_focal_length = True
            camera_id = writer.write_camera(camera)
            image = pycolmap.Image(name=name, camera_id=camera_id, image_id=image_id)
            writer.write_image(image, use_image_id=True)
            writer.write_frame(_frame(image, _write_rig(writer, camera_id)), use_frame_id=True)


def share_cameras(database: Path, target: Path, lenses: Mapping[str, Lens]) -> set[int]:
    """Copy a matched database's mapping input into a new one where the photos of one subfolder share a camera.

    Returns the ids of the cameras with known lenses.
    """
    known = set()
    cameras: dict[str, tuple[int, int]] = {}  # subfolder -> ids of camera and rig
    with pycolmap.Database.open(database) as reader, pycolmap.Database.open(target) as writer:
        for matched in sorted(reader.read_all_images(), key=lambda image: image.image_id):
            group = matched.name.rpartition("/")[0]
            if group not in cameras:
                camera_id = writer.write_camera(reader.read_camera(matched.camera_id))
                cameras[group] = camera_id, _write_rig(writer, camera_id)
            camera_id, rig_id = cameras[group]
            if matched.name in lenses:
                known.add(camera_id)
            image = pycolmap.Image(name=matched.name, camera_id=camera_id, image_id=matched.image_id)
            writer.write_image(image, use_image_id=True)
            writer.write_frame(_frame(image, rig_id), use_frame_id=True)
            if reader.exists_keypoints(image.image_id):
                writer.write_keypoints(image.image_id, reader.read_keypoints(image.image_id))
        for pair, geometry in zip(*reader.read_two_view_geometries(), strict=True):
            writer.write_two_view_geometry(*pycolmap.pair_id_to_image_pair(pair), geometry)
    return known


def _write_rig(writer: pycolmap.Database, camera_id: int) -> int:
    rig = pycolmap.Rig()
    rig.add_ref_sensor(pycolmap.sensor_t(type=pycolmap.SensorType.CAMERA, id=camera_id))
    return int(writer.write_rig(rig))


def _frame(image: pycolmap.Image, rig_id: int) -> pycolmap.Frame:
    frame = pycolmap.Frame(frame_id=image.image_id, rig_id=rig_id)
    frame.add_data_id(image.data_id)
    return frame


def extract(database: Path, folder: Path, names: list[str], masks: Path | None, report: Report) -> None:
    """Extract SIFT features of the registered photos."""
    options = pycolmap.ImageReaderOptions()
    if masks is not None:
        options.mask_path = masks

    def run(token: pycolmap.CancellationToken) -> None:
        pycolmap.extract_features(database, folder, names, reader_options=options, cancellation_token=token)

    def done(reader: pycolmap.Database) -> int:
        return sum(reader.exists_keypoints(image_id) for image_id in range(1, len(names) + 1))

    _watched(run, done, database, Step("features", 0, len(names)), report)


def match(database: Path, folder: Path, pair_list: Path, names: list[str], seed: int, report: Report) -> None:
    """Match photo pairs and verify the matches by two-view geometry."""
    alike = alike_pairs([folder / name for name in names]) if len(names) > EXHAUSTIVE_UP_TO else set()
    pairs = matched_pairs(len(names), alike)
    pair_list.write_text("".join(f"{names[i]} {names[j]}\n" for i, j in pairs))
    pairing, verification = pycolmap.ImportedPairingOptions(), pycolmap.TwoViewGeometryOptions()
    pairing.match_list_path = pair_list
    verification.ransac.random_seed = seed

    def run(token: pycolmap.CancellationToken) -> None:
        pycolmap.match_image_pairs(
            database, pairing_options=pairing, verification_options=verification, cancellation_token=token
        )

    def done(reader: pycolmap.Database) -> int:
        return reader.num_verified_image_pairs()  # includes failed pairs

    _watched(run, done, database, Step("matching", 0, len(pairs)), report)


def alike_pairs(paths: Sequence[Path]) -> set[tuple[int, int]]:
    """Return pairs of each photo with the ALIKE most similar ones, wherever they are in the sequence."""

    def signature(path: Path) -> Float32[ndarray, " cell"]:
        with open_picture(path, ("JPEG",)) as image:
            image.draft("L", SMALL_PX)
            return signature_of(np.asarray(image.convert("L")))

    return most_alike(np.stack(in_threads(signature, paths)), ALIKE)


def matched_pairs(count: int, alike: Set[tuple[int, int]] = frozenset()) -> list[tuple[int, int]]:
    """Return the pairs of photos to match, by their place in the sequence; see `solve.solve`."""
    if count <= EXHAUSTIVE_UP_TO:
        return list(combinations(range(count), 2))
    steps = [*range(1, NEIGHBOURS + 1), *(2**k for k in range(4, count.bit_length()))]
    near = {(i, i + step) for i in range(count) for step in steps if i + step < count}
    spaced = sorted({round(i) for i in np.linspace(0, count - 1, LOOP_PHOTOS)})
    return sorted(near | set(combinations(spaced, 2)) | alike)


def read_graph(database: Path, names: list[str]) -> MatchGraph:
    """Read features and matches; `names` are the photos in the order in which they were registered.

    A photo that pycolmap skipped silently has no entry among the features: None.
    """
    count = len(names)
    matches = np.zeros((count, count), dtype=np.int64)
    with pycolmap.Database.open(database) as reader:
        features = tuple(
            reader.num_keypoints_for_image(i) if reader.exists_keypoints(i) else None for i in range(1, count + 1)
        )
        for pair, inliers in zip(*reader.read_two_view_geometry_num_inliers(), strict=True):
            first, second = pycolmap.pair_id_to_image_pair(pair)
            matches[first - 1, second - 1] = matches[second - 1, first - 1] = inliers
    return MatchGraph(tuple(names), features, matches)


def _watched(
    run: Callable[[pycolmap.CancellationToken], None],
    done: Callable[[pycolmap.Database], int],
    database: Path,
    start: Step,
    report: Report,
) -> None:
    """Poll the database for progress, as pycolmap has no callback here.

    The polling connection is pycolmap's own and opened first. A second SQLite library in the process, such as Python's
    sqlite3, would drop the file locks of the first one when it closes the file, and crash it.
    """
    with pycolmap.Database.open(database) as reader:
        watched(run, lambda: done(reader), start, report)


def watched(
    run: Callable[[pycolmap.CancellationToken], Result], done: Callable[[], int], start: Step, report: Report
) -> Result:
    """Call `run` in a thread (pycolmap releases the GIL) and return its result; meanwhile poll `done` for progress."""
    assert start.total is not None
    report(start)
    token = pycolmap.CancellationToken()
    with ThreadPoolExecutor(1) as pool:
        try:
            running = pool.submit(run, token)
            while wait([running], POLL_S).not_done:
                report(replace(start, done=min(done(), start.total)))
            result = running.result()
        finally:
            token.cancel()  # so that Ctrl-C ends the thread as well
    report(replace(start, done=start.total))
    return result
