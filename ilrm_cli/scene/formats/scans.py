"""What programs for films and surveys read and write.

Depth as .exr and clouds of points as .laz are written; the extra `depth` has both. What lies beside scans of published
benchmarks is read: where a scan lies, and which part of it counts.
"""

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy import ndarray
from torch import Tensor

from ilrm_cli.geometry.meshes import PointCloud
from ilrm_cli.geometry.transforms import Similarity
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.runtime.files import read_text
from ilrm_cli.runtime.json_values import read_json

COLORED_POINTS = 7  # the point format of LAS 1.4 with colours of 16 bits
STEPS = 1 << 30  # into which the extent of a cloud is cut, at most: positions are integers of 32 bits
FINEST = 1e-9  # of such steps, in scene units
LARGEST_COLOR = 65_535
MOST_XML_BYTES = 1_000_000  # of a project of scans, which names some tens of files


@dataclass(frozen=True)
class CropVolume:
    """A prism: a polygon in two axes, and an interval of the third (Open3D's SelectionPolygonVolume)."""

    axis: int  # the third
    least: float  # of that axis
    most: float
    polygon: Float[Tensor, "corner 2"]  # in the other two axes, in their order

    def holds(self, points: Float[Tensor, "point 3"]) -> Bool[Tensor, " point"]:
        """Return which points are within: a ray from them along the first axis crosses an odd number of edges."""
        u, v = (points[:, axis] for axis in range(3) if axis != self.axis)
        within = torch.zeros(len(points), dtype=torch.bool)
        for a, b in zip(self.polygon.tolist(), self.polygon.roll(-1, 0).tolist(), strict=True):
            if a[1] != b[1]:
                crossed = (v < a[1]) != (v < b[1])
                within ^= crossed & (u < a[0] + (v - a[1]) * (b[0] - a[0]) / (b[1] - a[1]))
        along = points[:, self.axis]
        return within & (along >= self.least) & (along <= self.most)


def writes_exr() -> bool:
    """Return whether the library for .exr is installed."""
    return find_spec("OpenEXR") is not None


def writes_laz() -> bool:
    """Return whether the libraries for .laz are installed."""
    return all(find_spec(name) is not None for name in ("laspy", "lazrs"))


def write_exr(path: Path, depth: Float[ndarray, "height width"]) -> None:
    """Write depth along the camera's axis as channel Z, in scene units; what is unknown is infinitely far, as there."""
    import OpenEXR

    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    far = np.where(np.isnan(depth), np.inf, depth).astype(np.float32)
    with OpenEXR.File(header, {"Z": far}) as file:
        file.write(str(path))


def encode_laz(cloud: PointCloud, origin: Sequence[float]) -> bytes:
    """Encode points with colours as LAS 1.4, compressed; `origin` is added to positions, which have that precision."""
    import laspy

    points = cloud.points.cpu().double().numpy()
    header = laspy.LasHeader(point_format=COLORED_POINTS, version="1.4")
    header.offsets = np.asarray(origin, dtype=float)
    finest = max(float(np.abs(points).max(initial=0.0)) / STEPS, FINEST)
    header.scales = np.full(3, 10.0 ** np.ceil(np.log10(finest)))  # which readers print as decimals
    las = laspy.LasData(header)
    las.x, las.y, las.z = (points + header.offsets).T
    shades = (cloud.colors.cpu().clamp(0, 1).numpy() * LARGEST_COLOR).round().astype(np.uint16)
    las.red, las.green, las.blue = shades.T
    out = io.BytesIO()
    las.write(out, do_compress=True, laz_backend=laspy.LazBackend.Lazrs)
    return out.getvalue()


def read_alignment(path: Path) -> Similarity:
    """Read the four rows of a matrix (NAME_trans.txt of Tanks and Temples). Raises InputError."""
    with _damage_told(path, "a matrix of four rows of four numbers, which scales, rotates and shifts"):
        rows = [[float(number) for number in line.split()] for line in read_text(path).splitlines() if line.strip()]
        return Similarity.from_matrix(torch.tensor(rows, dtype=torch.float64).view(4, 4))


def read_crop(path: Path) -> CropVolume:
    """Read which part counts (NAME.json of Tanks and Temples, made with Open3D). Raises InputError."""
    with _damage_told(path, "a SelectionPolygonVolume of Open3D"):
        content = read_json(path)
        axis = "XYZ".index(content["orthogonal_axis"].upper())
        corners = torch.tensor(content["bounding_polygon"], dtype=torch.float64).view(-1, 3)
        others = [other for other in range(3) if other != axis]
        return CropVolume(axis, float(content["axis_min"]), float(content["axis_max"]), corners[:, others])


def read_scan_project(path: Path) -> list[tuple[Path, Similarity]]:
    """Read which scans belong together and where each lies (a MeshLab project, .mlp, of ETH3D). Raises InputError.

    Scans are beside the project, so that it leads nowhere else.
    """
    with _damage_told(path, "a MeshLab project that names scans beside it"):
        content = path.read_bytes()
        if len(content) > MOST_XML_BYTES or b"<!ENTITY" in content:
            raise ValueError("no project is so long, or has entities")
        scans = []
        for mesh in ElementTree.fromstring(content).iter("MLMesh"):
            numbers = [float(number) for number in (mesh.findtext("MLMatrix44") or "").split()]
            matrix = torch.tensor(numbers, dtype=torch.float64).view(4, 4)
            scans.append((path.with_name(Path(mesh.attrib["filename"]).name), Similarity.from_matrix(matrix)))
        if not scans:
            raise ValueError("it names none")
        return scans


@contextmanager
def _damage_told(path: Path, what: str) -> Iterator[None]:
    """Turn whatever a damaged file makes of its reader into InputError."""
    try:
        yield
    except (ValueError, RuntimeError, LookupError, TypeError, AttributeError, OSError, ElementTree.ParseError) as error:
        raise InputError(f"{path}: cannot be read as {what}.") from error
