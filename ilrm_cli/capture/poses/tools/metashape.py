"""Reader of the XML in which Metashape and PhotoScan export cameras.

A camera's <transform> holds its pose in the chunk, row by row, with axes x right, y down, z forward. A camera of a rig
has a master instead, and its sensor <rotation> and <location>, its pose in that one. The <transform> of its component,
or of the chunk, leads from there to the user's coordinates and scale. Labels of groups of cameras are taken for
folders. Calibrations have f, b1, cx and cy from the middle (px), k1 to k4, p1, p2; P1 and P2 are the other way round
than in OpenCV. Before version 1.2, PhotoScan wrote fx, fy and skew, cx and cy from the corner, and P1 and P2 as OpenCV.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from ilrm_cli.capture.poses.brown import brown_lens
from ilrm_cli.capture.poses.lenses import checked_lens, panorama_lens
from ilrm_cli.capture.poses.pose_set import Pose, PoseSet
from ilrm_cli.capture.poses.tools.reading import damage_named, numbers, pose_of
from ilrm_cli.geometry.cameras import Lens
from ilrm_cli.runtime.errors import InputError, listed
from ilrm_cli.runtime.files import read_text

FISHEYE = ("fisheye", "equidistant_fisheye")
PERSPECTIVE = "frame"
SPHERICAL = "spherical"  # a 360 degree photo, which needs no calibration; its middle is ahead
# Coefficients that lenses here do not have: b2 is skew too, p3 and p4 are tangential distortion of higher order.
UNKNOWN = ("b2", "skew", "p3", "p4")
UNKNOWN_TO_FISHEYE = ("b2", "skew", "p1", "p2", "p3", "p4")


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
        chunks = [chunk for chunk in document.iter("chunk") if chunk.find("cameras//transform") is not None]
        read = [_poses(file, chunk) for chunk in chunks]
    poses = next((found for found in read if found.poses), None)
    if poses is None:
        told = next((found.warnings[0] for found in read if found.warnings), f"{file} holds no aligned camera.")
        raise InputError(f"{told.removesuffix('.')}; align the photos and export their cameras again.")
    said = (f"{file} has {len(chunks)} chunks; the first with poses is read.",) if len(chunks) > 1 else ()
    return replace(poses, warnings=(*said, *poses.warnings))


def _poses(file: Path, chunk: ElementTree.Element) -> PoseSet:
    sensors = {sensor.get("id"): sensor for sensor in chunk.iterfind("sensors/sensor")}
    places = {part.get("id"): _similarity(part.find("transform")) for part in chunk.iterfind("components/component")}
    whole = _similarity(chunk.find("transform"))
    cameras = list(_cameras(chunk.find("cameras")))
    by_id = {camera.get("id"): camera for _, camera in cameras}
    lenses: dict[str | None, Lens] = {}
    lost, loose, poses = set[str](), [], []
    strange: dict[str | None, InputError] = {}  # sensors without a lens that is known
    aside = []
    for groups, camera in cameras:
        label, sensor = camera.get("label"), sensors.get(camera.get("sensor_id"))
        master = camera if camera.get("master_id") is None else by_id.get(camera.get("master_id"))
        stated = None if master is None else master.findtext("transform")
        if master is None or stated is None or label is None or camera.get("enabled") in ("0", "false"):
            continue
        if sensor is None:
            raise _no_lens(file, label)
        master_from_cam = np.eye(4) if camera is master else _place_in_rig(sensor)
        if master_from_cam is None:
            loose.append(label)
            continue
        if camera.get("sensor_id") not in lenses | strange:
            try:
                lenses[camera.get("sensor_id")] = _lens(file, label, sensor)
                lost |= {*_left_out(sensor)}
            except InputError as error:
                strange[camera.get("sensor_id")] = error
        if camera.get("sensor_id") in strange:
            aside.append(label)
            continue
        scale, world_from_chunk = places.get(master.get("component_id")) or whole or (1.0, np.eye(4))
        chunk_from_cam = pose_of(numbers(stated.split(), 4, 4) @ master_from_cam, f"{file}, {label}")
        chunk_from_cam[:3, 3] *= scale
        name = f"{groups}{label}".replace("\\", "/")
        poses.append(Pose(name, lenses[camera.get("sensor_id")], world_from_chunk @ chunk_from_cam))
    if strange and not poses:
        raise next(iter(strange.values()))
    said = []
    if strange:
        said.append(
            f"{next(iter(strange.values()))} Without a lens that is known, these are left out: {listed(aside)}."
        )
    if lost:
        said.append(
            f"{file} has distortion that is left out, since lenses here have none such ({listed(sorted(lost))})."
        )
    if loose:
        said.append(
            f"{file} does not say where these cameras are in their rigs and they are left out: {listed(loose)}."
        )
    return PoseSet(tuple(poses), np.zeros((0, 3)), tuple(said), labels=True)


def _no_lens(file: Path, label: str) -> InputError:
    return InputError(f"{file} has no calibration for {label}; export its cameras again.")


def _place_in_rig(sensor: ElementTree.Element) -> Float64[ndarray, "4 4"] | None:
    """Return the pose of a rig's camera in its master; None if the sensor does not state it."""
    rotation, location = sensor.findtext("rotation"), sensor.findtext("location")
    if rotation is None or location is None:
        return None
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = numbers(rotation.split(), 3, 3), numbers(location.split(), 3)
    return pose


def _cameras(group: ElementTree.Element | None, groups: str = "") -> Iterator[tuple[str, ElementTree.Element]]:
    """Yield the cameras of a group and of the groups in it, each with the labels of its groups as a path."""
    for part in () if group is None else group:
        if part.tag == "camera":
            yield groups, part
        elif part.tag == "group":
            label = part.get("label")
            yield from _cameras(part, f"{groups}{label}/" if label else groups)


def _similarity(transform: ElementTree.Element | None) -> tuple[float, Float64[ndarray, "4 4"]] | None:
    """Return scale and pose of a component or chunk; None if it has none."""
    if transform is None or transform.findtext("rotation") is None:
        return None
    pose = np.eye(4)
    pose[:3, :3] = numbers((transform.findtext("rotation") or "").split(), 3, 3)
    pose[:3, 3] = numbers((transform.findtext("translation") or "0 0 0").split(), 3)
    return float(numbers(transform.findtext("scale") or 1)), pose


def _lens(file: Path, label: str, sensor: ElementTree.Element) -> Lens:
    """Return the lens of the sensor of the camera of that label. Raises InputError if it is none that is known."""
    calibration = _calibration(sensor)
    where = f"{file}, {sensor.get('label') or 'a sensor'}"
    if _kind(sensor, calibration) == SPHERICAL:
        return checked_lens(panorama_lens(*_size(sensor, calibration, where)), where, panoramas=True)
    old = calibration is not None and calibration.findtext("fx") is not None
    if calibration is None or (calibration.findtext("f") is None and not old):
        raise _no_lens(file, label)
    width, height = _size(sensor, calibration, where)

    def number(name: str) -> float:
        return float(calibration.findtext(name) or 0)

    kind = _kind(sensor, calibration)
    focal = (number("f") + number("b1"), number("f"))
    center = (width / 2 + number("cx"), height / 2 + number("cy"))
    tangential = (number("p2"), number("p1"))
    if old:
        focal = (number("fx"), number("fy") or number("fx"))
        center = (number("cx") or width / 2, number("cy") or height / 2)
        tangential = (number("p1"), number("p2"))
    radial = tuple(number(name) for name in ("k1", "k2", "k3", "k4"))
    if kind in FISHEYE:
        return checked_lens(Lens("OPENCV_FISHEYE", (*focal, *center, *radial), width, height), where)
    if kind != PERSPECTIVE:
        raise InputError(f"{where} is of the type {kind}, which is not known; frame, fisheye and spherical ones are.")
    return brown_lens(focal, center, radial, tangential, (width, height), where)


def _size(sensor: ElementTree.Element, calibration: ElementTree.Element | None, where: str) -> tuple[int, int]:
    """Return (width, height) in px of a sensor's photos."""
    stated = None if calibration is None else calibration.find("resolution")
    resolution = sensor.find("resolution") if stated is None else stated
    if resolution is None:
        raise InputError(f"{where} has no resolution; export the cameras again.")
    return int(resolution.get("width", 0)), int(resolution.get("height", 0))


def _calibration(sensor: ElementTree.Element) -> ElementTree.Element | None:
    """Return the adjusted calibration, or else the one that there is."""
    calibrations = sensor.findall("calibration")
    adjusted = [calibration for calibration in calibrations if calibration.get("class") == "adjusted"]
    return next(iter(adjusted or calibrations), None)


def _kind(sensor: ElementTree.Element, calibration: ElementTree.Element | None) -> str:
    stated = None if calibration is None else calibration.get("type")
    return stated or sensor.get("type") or PERSPECTIVE


def _left_out(sensor: ElementTree.Element) -> list[str]:
    """Return the coefficients of a sensor's lens that are not 0 and that no lens here has."""
    calibration = _calibration(sensor)
    if calibration is None or _kind(sensor, calibration) == SPHERICAL:
        return []
    unknown = UNKNOWN_TO_FISHEYE if _kind(sensor, calibration) in FISHEYE else UNKNOWN
    return [name for name in unknown if float(calibration.findtext(name) or 0)]
