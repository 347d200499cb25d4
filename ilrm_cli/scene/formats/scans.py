"""What programs for films and surveys read: depth as .exr, clouds of points as .laz; the extra `depth` has both."""

import io
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from ilrm_cli.geometry.meshes import PointCloud

COLORED_POINTS = 7  # the point format of LAS 1.4 with colours of 16 bits
STEPS = 1 << 30  # into which the extent of a cloud is cut, at most: positions are integers of 32 bits
FINEST = 1e-9  # of such steps, in scene units
LARGEST_COLOR = 65_535


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
