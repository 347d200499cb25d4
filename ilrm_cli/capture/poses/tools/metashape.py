"""Reader of the XML in which Metashape and PhotoScan export cameras.

A camera's <transform> holds its pose in the chunk, row by row, with axes x right, y down, z forward. The <transform> of
its component, or of the chunk, leads from there to the user's coordinates and scale. Where labels of cameras are not
unique, those of their groups are taken for folders. Calibrations have f, b1, cx and cy
from the middle (px), k1 to k4, p1, p2; P1 and P2 are the other way round than in OpenCV.
"""

from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from ilrm_cli.capture.poses.lenses import checked_lens
from ilrm_cli.capture.poses.pose_set import Pose, PoseSet
from ilrm_cli.capture.poses.tools.reading import brown_lens, damage_named, numbers, pose_of
from ilrm_cli.geometry.cameras import Lens
from ilrm_cli.runtime.errors import InputError, listed
from ilrm_cli.runtime.files import read_text

FISHEYE = ("fisheye", "equidistant_fisheye")
PERSPECTIVE = "frame"
# Coefficients that lenses here do not have: b2 is skew, p3 and p4 are tangential distortion of higher order.
UNKNOWN = ("b2", "k4", "p3", "p4")
UNKNOWN_TO_FISHEYE = ("b2", "p1", "p2", "p3", "p4")


def read_metashape(file: Path) -> PoseSet:
    """Read the first chunk with poses; cameras that were not aligned have none. Raises InputError."""
    with damage_named(file):
        text = read_text(file)
        if "<!DOCTYPE" in text or "<!ENTITY" in text:
            raise InputError(f"{file} declares entities, which no export of Metashape does; export it again.")
        try:
            # The text is decoded already, whatever encoding it declares.
            document = ElementTree.fromstring(text[text.index("<document") :])
        except ElementTree.ParseError as error:
            raise ValueError(str(error)) from error
        chunks = [chunk for chunk in document.iter("chunk") if chunk.find("cameras") is not None]
        found = [(chunk, poses) for chunk in chunks if (poses := _poses(file, chunk))]
        lost = sorted({name for chunk, _ in found[:1] for sensor in _sensors(chunk) for name in _left_out(sensor)})
    if not found:
        raise InputError(f"{file} holds no aligned camera; align the photos and export their cameras again.")
    said = (f"{file} has {len(found)} chunks; the first is read.",) if len(found) > 1 else ()
    if lost:
        said = (*said, f"{file} has distortion that is left out, since lenses here have none such ({listed(lost)}).")
    return PoseSet(tuple(found[0][1]), np.zeros((0, 3)), said, labels=True)


def _poses(file: Path, chunk: ElementTree.Element) -> list[Pose]:
    lenses = {sensor.get("id"): _lens(file, sensor) for sensor in _sensors(chunk)}
    places = {part.get("id"): _similarity(part.find("transform")) for part in chunk.iterfind("components/component")}
    whole = _similarity(chunk.find("transform"))
    cameras = list(_cameras(chunk.find("cameras")))
    unique = len({camera.get("label") for _, camera in cameras}) == len(cameras)
    poses = []
    for groups, camera in cameras:
        stated, label = camera.findtext("transform"), camera.get("label")
        lens = lenses.get(camera.get("sensor_id"))
        if stated is None or label is None or camera.get("enabled") in ("0", "false"):
            continue
        if lens is None:
            raise InputError(f"{file} has no calibration for {label}; export its cameras again.")
        scale, world_from_chunk = places.get(camera.get("component_id")) or whole or (1.0, np.eye(4))
        chunk_from_cam = pose_of(numbers(stated.split(), 4, 4), f"{file}, {label}")
        chunk_from_cam[:3, 3] *= scale
        name = label if unique else f"{groups}{label}"
        poses.append(Pose(name.replace("\\", "/"), lens, world_from_chunk @ chunk_from_cam))
    return poses


def _sensors(chunk: ElementTree.Element) -> Iterator[ElementTree.Element]:
    return chunk.iterfind("sensors/sensor")


def _cameras(group: ElementTree.Element | None, groups: str = "") -> Iterator[tuple[str, ElementTree.Element]]:
    """Yield the cameras of a group and of the groups in it, each with the labels of its groups as a path."""
    for part in () if group is None else group:
        if part.tag == "camera":
            yield groups, part
        elif part.tag == "group":
            yield from _cameras(part, f"{groups}{part.get('label', '')}/")


def _similarity(transform: ElementTree.Element | None) -> tuple[float, Float64[ndarray, "4 4"]] | None:
    """Return scale and pose of a component or chunk; None if it has none."""
    if transform is None or transform.findtext("rotation") is None:
        return None
    pose = np.eye(4)
    pose[:3, :3] = numbers((transform.findtext("rotation") or "").split(), 3, 3)
    pose[:3, 3] = numbers((transform.findtext("translation") or "0 0 0").split(), 3)
    return float(numbers(transform.findtext("scale") or 1)), pose


def _lens(file: Path, sensor: ElementTree.Element) -> Lens | None:
    """Return the lens of a sensor; None if it has no calibration."""
    calibration = _calibration(sensor)
    if calibration is None or calibration.findtext("f") is None:
        return None
    where = f"{file}, {sensor.get('label') or 'a sensor'}"
    resolution = calibration.find("resolution")
    resolution = sensor.find("resolution") if resolution is None else resolution
    if resolution is None:
        raise InputError(f"{where} has no resolution; export the cameras again.")
    width, height = int(resolution.get("width", 0)), int(resolution.get("height", 0))

    def number(name: str) -> float:
        return float(calibration.findtext(name) or 0)

    kind = _kind(sensor, calibration)
    focal = (number("f") + number("b1"), number("f"))
    center = (width / 2 + number("cx"), height / 2 + number("cy"))
    if kind in FISHEYE:
        radial = tuple(number(name) for name in ("k1", "k2", "k3", "k4"))
        return checked_lens(Lens("OPENCV_FISHEYE", (*focal, *center, *radial), width, height), where)
    if kind != PERSPECTIVE:
        raise InputError(f"{where} is of the type {kind}, which is not known; perspective and fisheye lenses are.")
    radial_3, tangential = (number("k1"), number("k2"), number("k3")), (number("p2"), number("p1"))
    return brown_lens(focal, center, radial_3, tangential, (width, height), where)


def _calibration(sensor: ElementTree.Element) -> ElementTree.Element | None:
    """Return the adjusted calibration, or else the one that there is."""
    calibrations = sensor.findall("calibration")
    adjusted = [calibration for calibration in calibrations if calibration.get("class") == "adjusted"]
    return next(iter(adjusted or calibrations), None)


def _kind(sensor: ElementTree.Element, calibration: ElementTree.Element) -> str:
    return calibration.get("type") or sensor.get("type") or PERSPECTIVE


def _left_out(sensor: ElementTree.Element) -> list[str]:
    """Return the coefficients of a sensor's lens that are not 0 and that no lens here has."""
    calibration = _calibration(sensor)
    if calibration is None:
        return []
    unknown = UNKNOWN_TO_FISHEYE if _kind(sensor, calibration) in FISHEYE else UNKNOWN
    return [name for name in unknown if float(calibration.findtext(name) or 0)]
