"""Formats of scenes by suffix, where the record of a scene lies, and whether a scene can be read or written there.

Only names of files are looked at; nothing heavy is imported.
"""

import os
import re
from pathlib import Path
from zlib import crc32

from ilrm_cli.runtime.errors import InputError, listed
from ilrm_cli.runtime.files import check_output, check_own_folder, refuse_existing
from ilrm_cli.runtime.json_values import read_json

PAGE = ".html"  # the suffix of pages: scenes are exported to them but never read from them
SUFFIXES = (".ply", ".compressed.ply", ".splat", ".spz", ".sog", ".glb")
FIELD = ".ilrm"  # of fields, which `ilrm reconstruct` keeps with some models; nothing makes one of Gaussians
MESH_SUFFIXES = (".glb", ".ply", ".obj", ".stl")  # of meshes, which are written beside scenes
PAINTED_SUFFIXES = (".glb", ".obj")  # of those that hold a texture, or name one
READ_ONLY = (".ksplat",)  # scenes that are read and never written
MADE_BY = "# made by ilrm"  # the first line of an .obj and its .mtl
HEAD_BYTES = 1024  # of an .obj, where it names its material
DEPTH_INDEX, DEPTH_POINTS, DEPTH_SCAN = "depth.json", "points.ply", "points.laz"  # in a folder of depth maps
DEPTH_FILES = (".depth.png", ".depth.npy", ".depth.exr", ".normal.png", ".trust.png")  # ends of their names
META, LEVELS = "meta.json", "lod-meta.json"  # of an unbundled .sog, beside its pictures; of a streamed one
INDEXES = (META, LEVELS)  # each stands for the scene in its folder


def suffix_of_file(path: Path, suffix: str | None = None) -> str:
    """Return the suffix of an existing scene: the given one, or what its name says. Raises `InputError`.

    An unbundled .sog is its meta.json, or the folder that holds it; a streamed one its lod-meta.json, likewise.
    """
    if is_indexed_folder(path) or (path.is_file() and path.name.lower() in INDEXES):
        return ".sog"
    if path.is_dir():
        scenes = sorted(
            inside.name for inside in path.iterdir() if inside.name.lower().endswith((*SUFFIXES, FIELD, *READ_ONLY))
        )
        there = f"name one of its scenes ({listed(scenes)})" if scenes else "it holds no scene; name a file"
        raise InputError(f"{path} is a folder; {there}.")
    if not path.is_file():
        state = "is not a file" if path.exists() else "does not exist"
        raise InputError(f"the scene {path} {state}.")
    if suffix is None and path.suffix.lower() == ".json" and is_record(path):
        raise InputError(f"{path} is the record of a scene; name the scene, {path.stem}.ply or another file beside it.")
    name = path.name.lower()
    found = suffix or next((known for known in READ_ONLY if name.endswith(known)), None) or _known_suffix(name)
    if found is None:
        wrong = f"the suffix {path.suffix} is unknown" if path.suffix else "it has no suffix"
        raise InputError(f"{path}: {wrong}; scenes that are read are {', '.join((*SUFFIXES, FIELD, *READ_ONLY))}.")
    return found


def is_indexed_folder(path: Path) -> bool:
    """Return whether a folder is a scene itself."""
    return index_in(path) is not None


def index_in(folder: Path) -> Path | None:
    """Return the file that stands for the scene in a folder; None if there is none, or no folder."""
    return next((folder / index for index in INDEXES if (folder / index).is_file()), None)


def suffix_of(path: Path) -> str:
    """Return FIELD, or the longest of SUFFIXES that matches the name: `A.Compressed.PLY` -> `.compressed.ply`.

    Raises `InputError` for any other name.
    """
    known = _known_suffix(path.name.lower())
    if known is None:
        wrong = f"the suffix {path.suffix} is unknown" if path.suffix else "add a suffix, such as .ply"
        raise InputError(
            f"{path}: {wrong}; scenes are kept as {', '.join(SUFFIXES)}, fields as {FIELD}, `ilrm export` also makes "
            f"pages, {PAGE}, and `ilrm mesh` meshes, {', '.join(MESH_SUFFIXES)}."
        )
    return known


def _known_suffix(name: str) -> str | None:
    """Return the longest suffix of scenes that we write, or of fields, with which a name in lower case ends, if any."""
    known = [suffix for suffix in (*SUFFIXES, FIELD) if name.endswith(suffix) and len(name) > len(suffix)]
    return max(known, key=len, default=None)


def record_path(scene: Path) -> Path:
    """Return the path of a scene's record: `scene.json` for `scene.ply`, `scene.spz` and `scene.compressed.ply`."""
    scene = named(scene.parent if scene.name.lower() in INDEXES else scene)
    name = scene.stem if scene.suffix else scene.name
    if scene.suffix.lower() == ".ply" and name.lower().endswith(".compressed"):
        name = name[: -len(".compressed")]
    return scene.parent / f"{name}.json"


def scenes_of(record: Path) -> tuple[Path, ...]:
    """Return all places where a scene of that record can lie, see `record_path`."""
    files = (record.with_suffix(suffix) for suffix in (*SUFFIXES, FIELD, *READ_ONLY))
    return (*files, *(record.with_suffix("") / index for index in INDEXES))


def names_record(path: Path) -> bool:
    """Return whether a path is meant as a record, and not as an unbundled .sog, which has a .json too."""
    return path.suffix.lower() == ".json" and (path.name.lower() not in INDEXES or (path.is_file() and is_record(path)))


def named(scene: Path) -> Path:
    """Return the path of a scene by the name of its folder, where it is given as the current one or one above."""
    return scene.resolve() if scene.name in ("", "..") else scene


def place_as_recorded(place: Path, record_file: Path) -> str:
    """Return the location of photos, or of another scene, as the record at that path states it.

    What lies below the record's folder, or below its parent, is named relative to the record, so that both can be moved
    together; others by their absolute path.
    """
    place, folder = Path(os.path.abspath(place)), Path(os.path.abspath(record_file)).parent
    near = folder if folder.parent == Path(folder.anchor) else folder.parent  # everything is below the root
    return Path(os.path.relpath(place, folder)).as_posix() if place.is_relative_to(near) else place.as_posix()


def is_record(path: Path) -> bool:
    """Return whether the file is a scene's record of any format version, even a damaged one."""
    try:
        content = read_json(path)
    except ValueError:
        return False
    return isinstance(content, dict) and {"format", "ilrm"} <= content.keys()


def check_scene_output(output: Path, overwrite: bool, fields: bool = False) -> None:
    """Raise InputError, before the long work begins, for an output that cannot be written.

    `fields` tells whether the scene may be a field.
    """
    if suffix_of(output) == FIELD and not fields:
        raise of_gaussians(output)
    check_output(output, overwrite)
    record = record_path(output)
    if record.is_file() and not is_record(record):
        raise InputError(f"{record} is not a scene's record and would be replaced; choose another --output.")
    refuse_existing(record, overwrite or _is_left_over(record))


def material_files(output: Path) -> tuple[Path, Path]:
    """Return the material (.mtl) and the texture (.png) that a painted .obj names, which lie beside it.

    Readers of .obj take a name up to the next space, and few take other letters than ASCII. Names that are alike but
    for such letters differ by a hash.
    """
    name = re.sub(r"[^A-Za-z0-9_.-]", "_", output.stem)
    if name != output.stem:
        name += f"_{crc32(os.fsencode(output.stem)):08x}"
    return output.with_name(f"{name}.mtl"), output.with_name(f"{name}_texture.png")


def check_mesh_output(output: Path, scene: Path, overwrite: bool, *, painted: bool = False) -> None:
    """Raise InputError for a mesh that cannot be written, or that would replace the scene or its record.

    What a `painted` .obj needs beside it may only replace what an .obj of that name needed.
    """
    if output.suffix.lower() not in MESH_SUFFIXES:
        raise InputError(f"{output}: meshes are written as {', '.join(MESH_SUFFIXES)}.")
    if output.absolute() == scene.absolute() or (output.exists() and scene.exists() and output.samefile(scene)):
        raise InputError(f"{output} is the scene itself; give the mesh another name.")
    if painted and output.suffix.lower() not in PAINTED_SUFFIXES:
        raise InputError(f"{output}: --texture needs a {' or '.join(PAINTED_SUFFIXES)} file; name one.")
    check_output(output, overwrite)
    if painted and output.suffix.lower() == ".obj":
        _check_materials(output)


def _check_materials(output: Path) -> None:
    """Raise InputError if a painted .obj would replace a material or a texture that none of ours of its name needed."""
    material, texture = material_files(output)
    names = f"mtllib {material.name}".encode()
    ours = names in _first_lines(output) and _first_lines(material)[:1] == [MADE_BY.encode()]
    for beside in (material, texture):
        if os.path.lexists(beside) and not ours:
            raise InputError(f"{beside} is not ours; give the mesh another name.")
        check_output(beside, ours)


def _first_lines(path: Path) -> list[bytes]:
    """Return the lines at the beginning of a file; none if there is no such file."""
    if not path.is_file():
        return []
    with path.open("rb") as file:
        return file.read(HEAD_BYTES).splitlines()


def check_depth_output(folder: Path, overwrite: bool) -> None:
    """Raise InputError, before the long work begins, if depth maps cannot be written or would replace anything else."""

    def ours(name: str) -> bool:
        return name in (DEPTH_INDEX, DEPTH_POINTS, DEPTH_SCAN) or name.endswith(DEPTH_FILES)

    check_own_folder(folder, overwrite, marker=DEPTH_INDEX, ours=ours, what="depth maps")


def _is_left_over(record: Path) -> bool:
    """Return whether this is the record of no scene, as a process leaves it that is killed between the two."""
    return is_record(record) and not any(path.exists() for path in scenes_of(record))


def existing_record(scene: Path) -> Path:
    """Return the given record, or the one beside the given scene; raise InputError if there is none."""
    if scene.is_dir() and not is_indexed_folder(scene):
        raise InputError(f"{scene} is a folder; name a scene, or its record.")
    record = scene if names_record(scene) else record_path(scene)
    if not record.is_file() and scene != record and not scene.exists():
        raise InputError(f"the scene {scene} does not exist.")
    if not record.is_file():
        raise InputError(f"the record {record} does not exist, which tells from what the scene was made.")
    return record


def check_other_scene(scene: Path, output: Path) -> None:
    """Raise InputError if writing `output`, or its record, would replace the scene that it is made from."""
    record = existing_record(scene)
    if record_path(output).absolute() == record.absolute():
        raise InputError(f"{output} would take the place of {scene} or its record; name another file with --output.")


def of_gaussians(output: Path) -> InputError:
    """Return the error for Gaussians that shall be written as a field."""
    return InputError(
        f"{output}: a {FIELD} keeps a field, as `ilrm reconstruct` makes them with some models, and this would be "
        f"Gaussians; name a .ply, or another of {', '.join(SUFFIXES[1:])}."
    )


def check_conversion(scene: Path, output: Path, overwrite: bool) -> None:
    """Raise InputError if the scene is missing, or the output cannot be written or is the scene itself."""
    suffix_of_file(scene)
    if output.name.lower().endswith(FIELD):
        raise of_gaussians(output)
    check_output(output, overwrite)
    if output.exists() and output.samefile(scene):
        raise InputError(f"{output} is the scene itself; name another file with --output.")
