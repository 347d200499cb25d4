"""A mesh of a scene of Gaussians: what its cameras see of it, fused, cleaned, thinned out and coloured."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec

import numpy as np
import torch
from jaxtyping import Float
from scipy.spatial import KDTree
from torch import Tensor

from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.geometry.meshes import Mesh
from ilrm_cli.pipeline.settings import FACES, TEXTURED_FACES, MeshSettings
from ilrm_cli.render.depth_maps import DepthMap, depth_maps, far_of
from ilrm_cli.render.fusion import TRUNCATION, Grid, NoSurface, fused, surface_in
from ilrm_cli.render.mesh_pictures import mesh_picture
from ilrm_cli.render.paths.subject import subject_of
from ilrm_cli.render.texture import textured
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.runtime.memory import free_bytes
from ilrm_cli.runtime.progress import Report, Step, ignore

LONG_SIDE_PX = 512  # of the depth maps
MOST_VIEWS = 96  # spread over the cameras: their maps are in memory together
LEAST_CAMERAS = 2  # whose maps can confirm each other
OUTSIDE = 0.01  # of all pixels with a surface may lie beyond each side of the box around what the cameras see
MARGIN = 0.05  # of the box's sides, added on each of them
WITHIN_SUBJECT = 0.6  # of the cameras' distance from what they look at: half the side of the box around it
LONGEST_SIDE = 384  # cells along the box if nobody asks for a number
PIXELS_PER_CELL = 1.0  # at the median depth: finer cells would hold what no pixel shows
USABLE = 0.6  # of the free memory
LEAST_SIDE = 16  # cells along the box, below which a mesh shows nothing
MOST_POINTS = 2_000_000  # places on surfaces by which the box is found: more do not change a quantile
PAINTED_LONG_SIDE_PX = 1024  # of the pictures that paint a texture
SAME = 0.05  # relative difference of depth up to which the mesh shows what the scene does
ISLAND = 0.0005  # of the area: smaller parts on their own are dropped
SEEN_WITHIN = 0.5  # truncation lengths between a vertex and the depth of a map that colours it


@dataclass(frozen=True)
class MadeMesh:
    """A mesh, in the frame of its scene, and how it came about."""

    mesh: Mesh
    cell: float  # world units: details are of this size
    cells: tuple[int, int, int]  # of the grid, along x, y, z
    views: int  # whose depth was fused; 0: it is the surface of a field
    outside: float  # share of the pixels with a surface whose place the box leaves out
    covered: float  # share of those in the box where the mesh, seen from the same camera, lies at the same depth
    dropped: int  # triangles of small islands
    found: int  # triangles before the mesh was thinned out
    closed: bool  # every edge is between two triangles


def require_mesh_libraries() -> None:
    """Raise InputError if a library of the extra `mesh` is missing."""
    if any(find_spec(name) is None for name in ("skimage", "fast_simplification", "xatlas")):
        raise InputError("meshes need scikit-image, fast-simplification and xatlas: pip install 'ilrm[mesh]'.")


def mesh_of(
    gaussians: Gaussians,
    cameras: Sequence[Cameras],
    near: float,
    background: Float[Tensor, "3"],
    settings: MeshSettings,
    report: Report = ignore,
) -> MadeMesh:
    """Fuse what groups of cameras see of a scene, on the CPU; `near` and `background` as in `render`.

    Raises InputError if there is nothing to fuse, if the cameras agree on no surface, and if the grid does not fit into
    the memory.
    """
    if not len(gaussians):
        raise InputError("the scene holds no Gaussians, so that there is no surface to find.")
    total = sum(map(len, cameras))
    if total < LEAST_CAMERAS:
        raise InputError("a mesh needs what at least two cameras see; the scene's record names one, or none.")
    chosen = [spread(_drawn_at(group, LONG_SIDE_PX), math.ceil(MOST_VIEWS * len(group) / total)) for group in cameras]
    far = far_of(gaussians, chosen, near)
    maps = list(depth_maps(gaussians.to("cpu"), chosen, near, far, background, report))
    seen = torch.cat([seen.points() for seen in maps])
    if not len(seen):
        raise NoSurface("no camera sees anything solid in the scene, so that there is no surface to find.")
    seen = seen[:: math.ceil(len(seen) / MOST_POINTS)]
    least, most = _box(seen, cameras[0], gaussians, settings)
    grid = _grid(least, most, maps, settings)
    field = fused(_told(maps, report), grid, near)
    whole = surface_in(field, closed=settings.watertight, report=report)
    main = whole.without_islands(ISLAND)
    most_faces = TEXTURED_FACES if settings.texture else FACES
    thinned = simplified(main, most_faces if settings.faces is None else settings.faces)
    painted = colored(thinned, maps, TRUNCATION * grid.cell)
    if settings.texture:
        large = [_drawn_at(group, PAINTED_LONG_SIDE_PX) for group in chosen]
        painted = textured(painted, gaussians.to("cpu"), large, near, background, reach=grid.cell, report=report)
    inside = ((seen > least) & (seen < most)).all(-1).double().mean()
    return MadeMesh(
        mesh=painted,
        covered=float(np.mean([_covered(thinned, seen, least, most, near) for seen in maps])),
        cell=grid.cell,
        cells=grid.shape,
        views=len(maps),
        outside=1 - float(inside),
        dropped=len(whole.triangles) - len(main.triangles),
        found=len(main.triangles),
        closed=thinned.is_closed(),
    )


def spread(cameras: Cameras, most: int) -> Cameras:
    """Return at most so many of the cameras, evenly spread over their order."""
    return cameras[np.unique(np.linspace(0, len(cameras) - 1, min(most, len(cameras))).round().astype(int)).tolist()]


def simplified(mesh: Mesh, triangles: int) -> Mesh:
    """Return the mesh with at most so many triangles, by quadric errors (Garland and Heckbert 1997); 0: all of them."""
    if not triangles or len(mesh.triangles) <= triangles:
        return mesh
    from fast_simplification import simplify

    vertices, faces = simplify(mesh.vertices.numpy(), mesh.triangles.numpy(), target_count=triangles)
    return Mesh.from_triangles(torch.from_numpy(vertices).float(), torch.from_numpy(faces).long())


def colored_as(mesh: Mesh, other: Mesh) -> Mesh:
    """Return the mesh with the colour that the nearest vertex of the other has."""
    nearest = KDTree(other.vertices.numpy()).query(mesh.vertices.numpy())[1]
    return replace(mesh, colors=other.colors[torch.from_numpy(np.asarray(nearest, np.int64))])


def colored(mesh: Mesh, maps: Sequence[DepthMap], reach: float) -> Mesh:
    """Return the mesh with the colours that the maps show at its vertices, or at the nearest vertex that one shows.

    A map shows a vertex if its depth there is within a share of `reach`; it counts by its trust, squared.
    """
    total, weight = torch.zeros_like(mesh.vertices), torch.zeros(len(mesh.vertices))
    for seen in maps:
        hit = seen.camera.to("cpu").project(mesh.vertices)
        row, column = (index[0] for index in hit.cells())
        agrees = (seen.depth.cpu()[row, column] - hit.depth[0]).abs() <= SEEN_WITHIN * reach
        counts = seen.trust.cpu()[row, column].square() * (agrees & hit.inside[0])
        total += counts[:, None] * seen.color.cpu()[:, row, column].T
        weight += counts
    shown = weight > 0
    if not shown.any():
        return mesh
    colors = total / weight.clamp_min(1e-12)[:, None]
    nearest = KDTree(mesh.vertices[shown].numpy()).query(mesh.vertices[~shown].numpy())[1]
    colors[~shown] = colors[shown][torch.from_numpy(np.asarray(nearest, np.int64))]
    return replace(mesh, colors=colors)


def _drawn_at(cameras: Cameras, long_side_px: int) -> Cameras:
    width, height = cameras.size_at(long_side_px)
    return cameras.resized(max(2, width), max(2, height)).to(torch.float32)  # which have differences of depth


def _covered(mesh: Mesh, seen: DepthMap, least: Float[Tensor, "3"], most: Float[Tensor, "3"], near: float) -> float:
    """Return the share of a map's places within the box at whose depth the mesh is seen; 1 if there are none."""
    surface = seen.trust > 0
    points = seen.points()
    inside = ((points > least) & (points < most)).all(-1)
    if not inside.any():
        return 1.0
    drawn = mesh_picture(mesh, seen.camera, near).depth[surface]
    return float(((drawn / seen.depth[surface] - 1).abs() <= SAME)[inside].double().mean())


def _box(
    seen: Float[Tensor, "point 3"], cameras: Cameras, gaussians: Gaussians, settings: MeshSettings
) -> tuple[Float[Tensor, "3"], Float[Tensor, "3"]]:
    """Return the least and the most corner of what becomes a mesh."""
    if isinstance(settings.crop, tuple):
        corners = torch.tensor(settings.crop, dtype=torch.float32)
        return corners[:3], corners[3:]
    ordered = seen.sort(0).values
    last = len(ordered) - 1
    least, most = ordered[int(OUTSIDE * last)], ordered[math.ceil((1 - OUTSIDE) * last)]
    least, most = least - MARGIN * (most - least), most + MARGIN * (most - least)
    if settings.crop == "subject":
        target = subject_of(cameras, gaussians.to("cpu")).target.float()
        reach = WITHIN_SUBJECT * float((cameras.positions - target).norm(dim=1).median())
        least, most = torch.maximum(least, target - reach), torch.minimum(most, target + reach)
        if not (least < most).all():
            raise InputError("--crop subject: the cameras look at no common point; give a box, or leave it out.")
    return least, most


def _grid(
    least: Float[Tensor, "3"], most: Float[Tensor, "3"], maps: Sequence[DepthMap], settings: MeshSettings
) -> Grid:
    """Return the grid that was asked for, or one as fine as the pictures, the memory and LONGEST_SIDE allow.

    Raises InputError for one that does not fit into the memory.
    """
    longest = float((most - least).max())
    free = USABLE * free_bytes(torch.device("cpu"))
    if settings.resolution is not None:
        grid = Grid.over(least, most, longest / settings.resolution)
        if grid.bytes > free:
            raise InputError(
                f"--resolution {settings.resolution} takes {grid.bytes / 1e9:.1f} GB of memory, of which "
                f"{free / 1e9:.1f} GB can be used; give a smaller one, or a smaller --crop."
            )
        return grid
    pixel = torch.cat([(seen.depth[seen.trust > 0] / seen.camera.focal_px[0].max()).cpu() for seen in maps]).median()
    cell = max(PIXELS_PER_CELL * float(pixel), longest / LONGEST_SIDE)
    while (grid := Grid.over(least, most, cell)).bytes > free and longest / cell > LEAST_SIDE:
        cell *= 1.25
    if grid.bytes > free:
        raise InputError(f"{free / 1e9:.2f} GB of memory can be used, too little for any mesh; end other programs.")
    return grid


def _told(maps: Sequence[DepthMap], report: Report) -> Iterator[DepthMap]:
    for index, seen in enumerate(maps):
        report(Step("fusion", index, len(maps)))
        yield seen
    report(Step("fusion", len(maps), len(maps)))
