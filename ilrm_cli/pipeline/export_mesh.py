"""The mesh of a scene file, or of a reconstruction, as a file."""

from dataclasses import dataclass, replace
from pathlib import Path

import torch

from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.geometry.meshes import Mesh
from ilrm_cli.geometry.transforms import Similarity
from ilrm_cli.models.checkpoint import architecture_in
from ilrm_cli.models.registry import FIELDS
from ilrm_cli.pipeline.mesh import MadeMesh, colored_as, mesh_of, require_mesh_libraries, simplified
from ilrm_cli.pipeline.reconstruct import Reconstruction
from ilrm_cli.pipeline.settings import MeshSettings
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.runtime.files import atomic_write_all
from ilrm_cli.runtime.progress import Report, ignore
from ilrm_cli.scene.checks import FIELD, material_files, suffix_of_file
from ilrm_cli.scene.files import decode_scene
from ilrm_cli.scene.formats.mesh import encode_mesh, encode_painted_obj, standing
from ilrm_cli.scene.formats.scene_file import SceneFile
from ilrm_cli.scene.opened import near_of, recorded_cameras, remarks_on, require_cameras
from ilrm_cli.scene.record import SceneRecord, record_beside

STANDING = (".glb",)  # formats that say which way is up: their meshes are turned to it
OF_FUSION = ("resolution", "crop", "watertight", "texture")  # settings that mean nothing for a surface that is there


@dataclass(frozen=True)
class WrittenMesh:
    """What was written, in the scene's frame and unit but for the turn that its format asks for, and for --metres."""

    made: MadeMesh
    scale: float  # lengths in the file over those in the scene
    turned: bool  # y is up in the file, whatever it is in the scene
    files: tuple[Path, ...]  # the mesh, then what it names
    bytes: int  # of all of them
    warnings: tuple[str, ...] = ()  # one sentence each


def require_for_mesh(model: str) -> None:
    """Raise InputError if a reconstruction by this model cannot end in a mesh on this computer."""
    if architecture_in(model) not in FIELDS:
        require_mesh_libraries()


def write_mesh_of(scene: Path, output: Path, settings: MeshSettings, report: Report = ignore) -> WrittenMesh:
    """Write the mesh of a scene file, or the surface of one that is a field.

    Raises InputError for a scene without cameras, and as `mesh_of` does.
    """
    if suffix_of_file(scene) == FIELD and (file := decode_scene(scene)).field is not None:
        return _write_mesh_of_field(scene, file, output, settings)
    require_mesh_libraries()
    file, record = decode_scene(scene), require_cameras(scene, "whose views a mesh is made of")
    written = write_mesh_of_gaussians(file.gaussians, record, output, settings, report)
    return replace(written, warnings=remarks_on(file, scene))


def _write_mesh_of_field(scene: Path, file: SceneFile, output: Path, settings: MeshSettings) -> WrittenMesh:
    """Write the surface of a field, which was found when it was kept. Raises InputError for what that cannot be."""
    assert file.field is not None, "a field"
    chosen = [name for name in OF_FUSION if getattr(settings, name) != getattr(MeshSettings, name)]
    if chosen:
        raise InputError(
            f"--{chosen[0]} is for Gaussians, and {scene} is a field, whose surface is found; leave it out."
        )
    record = record_beside(scene)
    scale = _metres(settings, record)
    surface, place = file.field.surface, file.field.world_from_field
    whole = surface.mesh
    mesh = whole
    if settings.faces and settings.faces < len(whole.triangles):
        require_mesh_libraries()
        mesh = colored_as(simplified(whole, settings.faces), whole)
    x, y, z = ((whole.vertices.amax(0) - whole.vertices.amin(0)) / surface.cell).ceil().int().tolist()
    moved = mesh.moved(place)
    files, turned = encoded(moved, record, output, scale)
    atomic_write_all(files)
    made = MadeMesh(
        mesh=moved,
        cell=float(surface.cell.max()) * place.scale,
        cells=(x, y, z),
        views=0,
        outside=0.0,
        covered=1.0,
        dropped=0,
        found=len(whole.triangles),
        closed=mesh.is_closed(),
    )
    return WrittenMesh(made, scale, turned, tuple(files), sum(map(len, files.values())), remarks_on(file, scene))


def _metres(settings: MeshSettings, record: SceneRecord | None) -> float:
    """Return lengths in the file over those in the scene. Raises InputError for metres that nobody knows."""
    if not settings.metres:
        return 1.0
    if record is None or record.metres_per_unit is None:
        raise InputError("--metres: the size of the scene is not known; ilrm measure --is, or --gps, finds it out.")
    return record.metres_per_unit


def write_mesh_of_gaussians(
    gaussians: Gaussians, record: SceneRecord, output: Path, settings: MeshSettings, report: Report = ignore
) -> WrittenMesh:
    """Write the mesh of Gaussians in the frame of a record. Raises InputError as `mesh_of` does."""
    near, background = near_of(record), torch.tensor(record.background)
    scale = _metres(settings, record)
    made = mesh_of(gaussians, recorded_cameras(record), near, background, settings, report)
    files, turned = encoded(made.mesh, record, output, scale)
    atomic_write_all(files)
    return WrittenMesh(made, scale, turned, tuple(files), sum(map(len, files.values())))


def write_mesh(result: Reconstruction, record: SceneRecord, scene: Path, output: Path, report: Report = ignore) -> Mesh:
    """Write the mesh of a reconstruction: the surface of its field, or else that of the scene file that was written.

    Return it in the frame of the scene. Raises InputError as `mesh_of` does.
    """
    sampled = result.prediction.sampled
    if sampled is None:
        return write_mesh_of_gaussians(decode_scene(scene).gaussians, record, output, MeshSettings(), report).made.mesh
    mesh = sampled.surface.mesh.moved(record.model_from_world.inverse())
    atomic_write_all(encoded(mesh, record, output)[0])
    return mesh


def encoded(mesh: Mesh, record: SceneRecord | None, output: Path, scale: float = 1.0) -> tuple[dict[Path, bytes], bool]:
    """Encode in the format of a file's suffix, `scale` times as large; tell whether it was turned to stand upright.

    The file comes first, then those that a painted .obj names.
    """
    suffix = output.suffix.lower()
    if scale != 1:
        mesh = mesh.moved(Similarity.scaling(scale))
    up = record.up if record and suffix in STANDING else None
    if record and up is not None:
        first = torch.tensor(record.views[0].world_from_cam, dtype=torch.float64)
        mesh = mesh.moved(standing(torch.tensor(up, dtype=torch.float64), -first[:3, 2]))
    if suffix == ".obj" and mesh.texture is not None:
        beside = material_files(output)
        content = encode_painted_obj(mesh, *(path.name for path in beside))
        return dict(zip((output, *beside), content, strict=True)), up is not None
    return {output: encode_mesh(mesh, suffix)}, up is not None
