"""The mesh of a scene, seen from where photos were taken."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray
from torch.nn.functional import normalize

from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.geometry.meshes import Mesh
from ilrm_cli.render.mesh_pictures import mesh_picture
from ilrm_cli.render.rasterize import pixels_of
from ilrm_cli.runtime.progress import Report as Progress
from ilrm_cli.runtime.progress import Step, ignore
from ilrm_cli.scene.opened import near_of
from ilrm_cli.scene.record import RecordedView, SceneRecord, camera_of

MOST_SHOWN = 3  # places from which the mesh is shown
DARKEST = 0.15  # shade of a surface seen edge-on; 1 is one that faces the camera


@dataclass(frozen=True)
class MeshView:
    """The mesh from one photo's camera, upright as photographed."""

    name: str  # of the photo
    color: UInt8[ndarray, "height width 3"]
    relief: UInt8[ndarray, "height width 3"]  # grey: the more it faces the camera, the brighter


def mesh_views(mesh: Mesh, record: SceneRecord, progress: Progress = ignore) -> tuple[MeshView, ...]:
    """Show a mesh in the frame of a record: from held-out places, from inputs' if there are none."""
    held_out = [view for view in record.views if view.role == "held_out"]
    places = spread(held_out or [view for view in record.views if view.role == "input"])
    near, shown = near_of(record), list[MeshView]()
    for index, view in enumerate(places):
        camera, turns = camera_of(view), view.quarter_turns or 0
        pictures = (mesh_picture(seen, camera, near).color for seen in (mesh, in_headlight(mesh, camera)))
        color, relief = (np.ascontiguousarray(np.rot90(pixels_of(picture), -turns)) for picture in pictures)
        shown.append(MeshView(view.name, color, relief))
        progress(Step("mesh pictures", index + 1, len(places)))
    return tuple(shown)


def spread(views: Sequence[RecordedView]) -> list[RecordedView]:
    """Return at most MOST_SHOWN of the views, evenly spread over their order."""
    picked = np.linspace(0, len(views) - 1, min(MOST_SHOWN, len(views))).round().astype(int)
    return [views[index] for index in picked]


def in_headlight(mesh: Mesh, camera: Cameras) -> Mesh:
    """Return the mesh in shades of grey, lit from the camera (Lambert)."""
    toward = normalize(camera.positions[0].to(mesh.vertices) - mesh.vertices, dim=-1)
    facing = (mesh.normals * toward).sum(-1, keepdim=True).abs()
    return replace(mesh, colors=(DARKEST + (1 - DARKEST) * facing).expand_as(mesh.colors).contiguous())
