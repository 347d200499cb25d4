"""Textures of meshes: the surface cut into charts, laid out in one image, and painted by what cameras see there.

The charts are xatlas's. Every texel knows its place on the mesh; the pictures that see this place, straight on and from
near, give it their colour. Texels that no picture sees keep the colours of the mesh's vertices.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float
from scipy.ndimage import distance_transform_edt
from torch import Tensor
from torch.nn.functional import grid_sample, normalize

from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.geometry.meshes import Mesh, Texture
from ilrm_cli.render.mesh_pictures import flat_picture, mesh_picture
from ilrm_cli.render.rasterize import render
from ilrm_cli.runtime.progress import Report, Step, ignore

MOST_PX = 4096  # of the texture's sides: what every graphics card of the last decade takes
USED = 0.6  # of the texture's area that charts fill, about
PADDING_PX = 2  # between charts, so that none shows its neighbour's colours where it is sampled between texels
# Power of the cosine at which a picture sees a texel, over the size of its pixels there: high, so that the best picture
# paints nearly alone. The mean of many pictures would be soft, since none fits the mesh to a pixel.
SHARPNESS = 6
LEAST_COSINE = 0.1  # between ray and normal, below which a picture smears


@dataclass(frozen=True)
class _Texels:
    """The texels of a texture that lie on the mesh."""

    on_mesh: Bool[Tensor, "height width"]
    places: Float[Tensor, "texel 3"]  # world coordinates
    normals: Float[Tensor, "texel 3"]  # unit, outward
    colors: Float[Tensor, "texel 3"]  # of the mesh's vertices


def textured(
    mesh: Mesh,
    gaussians: Gaussians,
    groups: Sequence[Cameras],
    near: float,
    background: Float[Tensor, "3"],
    *,
    reach: float,
    report: Report = ignore,
) -> Mesh:
    """Return a mesh of a scene with a texture painted by the scene's pictures; vertices on seams are there twice.

    A picture shows a place if nothing of the mesh lies more than `reach`, in world units, before it. Texels are as
    large as pixels at the cameras' median distance from the middle of the mesh, larger if the texture would not fit.
    """
    report(Step("charts", 0, 1))
    unwrapped, uvs, aspect = _unwrapped(mesh)
    report(Step("charts", 1, 1))
    width, height = _size(unwrapped, groups, aspect)
    texels = _texels(unwrapped, uvs, width, height)
    total, weight = torch.zeros_like(texels.places), torch.zeros(len(texels.places))
    cameras = [group[[index]] for group in groups for index in range(len(group))]
    for done, camera in enumerate(cameras):
        report(Step("texture", done, len(cameras)))
        image = render(gaussians, camera, background=background, near=near).color.clamp(0, 1)
        depth = mesh_picture(unwrapped, camera, near).depth
        counts, colors = _painted(texels, camera, image, depth, reach)
        total += counts[:, None] * colors
        weight += counts
    report(Step("texture", len(cameras), len(cameras)))
    seen = weight > 0
    colors = torch.where(
        seen[:, None], total / weight.clamp_min(torch.finfo(weight.dtype).tiny)[:, None], texels.colors
    )
    return replace(unwrapped, texture=Texture(uvs, _filled(texels.on_mesh, colors)))


def _unwrapped(mesh: Mesh) -> tuple[Mesh, Float[Tensor, "vertex 2"], float]:
    """Return the mesh cut into charts, the place of its vertices in the unit square, and the square's aspect ratio."""
    import xatlas

    charts, layout = xatlas.ChartOptions(), xatlas.PackOptions()
    layout.padding = PADDING_PX
    atlas = xatlas.Atlas()
    atlas.add_mesh(mesh.vertices.numpy(), mesh.triangles.numpy().astype(np.uint32))
    atlas.generate(charts, layout)
    before, triangles, uvs = atlas[0]
    kept = torch.from_numpy(before.astype(np.int64))
    cut = Mesh(mesh.vertices[kept], mesh.normals[kept], mesh.colors[kept], torch.from_numpy(triangles.astype(np.int64)))
    return cut, torch.from_numpy(uvs), atlas.width / atlas.height


def _size(mesh: Mesh, groups: Sequence[Cameras], aspect: float) -> tuple[int, int]:
    """Return width and height of a texture with texels as large as the cameras' pixels at their distance."""
    middle = mesh.vertices.median(0).values
    pixels = torch.cat([(c.positions - middle).norm(dim=1) / c.focal_px[:, 0] for c in groups])
    texels = float(mesh.areas.sum()) / float(pixels.median()) ** 2 / USED
    height = math.sqrt(texels / aspect)
    shrink = min(1.0, MOST_PX / (height * max(1.0, aspect)))
    return max(1, round(shrink * height * aspect)), max(1, round(shrink * height))


def _texels(mesh: Mesh, uvs: Float[Tensor, "vertex 2"], width: int, height: int) -> _Texels:
    pixels = uvs * torch.tensor([width, height], dtype=torch.float32)

    def laid_out(values: Float[Tensor, "vertex 3"]) -> tuple[Tensor, Tensor]:
        return flat_picture(pixels, values, mesh.triangles, width, height)

    on_mesh, places = laid_out(mesh.vertices)
    normals, colors = (laid_out(values)[1][:, on_mesh].T for values in (mesh.normals, mesh.colors))
    return _Texels(on_mesh, places[:, on_mesh].T, normalize(normals, dim=1), colors)


def _painted(
    texels: _Texels, camera: Cameras, image: Float[Tensor, "1 3 height width"], depth: Tensor, reach: float
) -> tuple[Float[Tensor, " texel"], Float[Tensor, "texel 3"]]:
    """Return how much a picture counts at each texel, 0 where it does not show it, and its colours there."""
    hit = camera.project(texels.places)
    row, column = (index[0] for index in hit.cells())
    rays = texels.places - camera.positions[0]
    distance = rays.norm(dim=1)
    cosine = -(rays * texels.normals).sum(1) / distance
    shown = hit.inside[0] & (hit.depth[0] <= depth[row, column] + reach) & (cosine >= LEAST_COSINE)
    pixel = distance / camera.focal_px[0].mean()  # world units
    counts = torch.where(shown, (cosine * reach / pixel) ** SHARPNESS, 0)  # `reach` keeps it near 1 in any unit
    places = 2 * hit.pixels[0] / torch.tensor([camera.width, camera.height]) - 1
    colors = grid_sample(image, places[None, None], padding_mode="border", align_corners=False)[0, :, 0].T
    return counts, colors


def _filled(on_mesh: Bool[Tensor, "height width"], colors: Float[Tensor, "texel 3"]) -> Float[Tensor, "3 height width"]:
    """Return the texture; between charts is the colour of the nearest texel, for samples beside a chart's edge."""
    image = torch.zeros(3, *on_mesh.shape)
    image[:, on_mesh] = colors.T
    row, column = distance_transform_edt(~on_mesh.numpy(), return_distances=False, return_indices=True)
    return image[:, torch.from_numpy(row), torch.from_numpy(column)]
