"""Streamed scenes of PlayCanvas (splat-transform's `lod-meta.json`, version 1): many unbundled .sog and a tree.

The leaves of the tree name, for each level of detail from 0, the finest, a run of Gaussians in one of the files. Those
of one level are the whole scene; an environment, such as the sky, belongs to every level. Files from before the format
had versions are read too.
"""

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import torch

from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.runtime.errors import Damage, InputError
from ilrm_cli.runtime.json_values import parsed_json
from ilrm_cli.scene.checks import LEVELS, META
from ilrm_cli.scene.formats.packing import joined
from ilrm_cli.scene.formats.scene_file import MOST_BASES, SceneFile, check_claim, usable
from ilrm_cli.scene.formats.sog import part_of_folder, told_as_damage, unbundled

VERSION = 1
MAX_INDEX_BYTES = 1 << 24  # of lod-meta.json: a leaf takes some two hundred, and holds thousands of Gaussians


def is_streamed_sog(path: Path) -> bool:
    """Return whether a path is a lod-meta.json, or a folder with one and without a scene of its own."""
    return path.name.lower() == LEVELS or ((path / LEVELS).is_file() and not (path / META).is_file())


def decode_streamed_sog(path: Path) -> SceneFile:
    """Read the finest level of a scene and its environment; `path` is its lod-meta.json or the folder that holds it.

    Raises `InputError` for one that is cut short, has another version, names files that lie elsewhere, or has no usable
    Gaussian.
    """
    folder = path if path.is_dir() else path.parent
    with told_as_damage(path):
        index = parsed_json(part_of_folder(folder, LEVELS if path.is_dir() else path.name, MAX_INDEX_BYTES))
        if index.get("version", VERSION) != VERSION:
            raise InputError(f"{path} is a streamed .sog of version {index['version']}; {VERSION} is known.")
        leaves = list(_leaves(index["tree"]))
        levels = sorted({int(level) for leaf in leaves for level in leaf})
        if not levels:
            raise Damage("its tree has no leaves")
        runs = defaultdict[int, list[tuple[int, int]]](list)
        for leaf in leaves:
            if (run := leaf.get(str(levels[0]))) is not None:
                runs[int(run["file"])].append((int(run["offset"]), int(run["count"])))
        sources = {_below(folder, index["filenames"][number]): runs[number] for number in sorted(runs)}
        if len(sources) < len(runs):
            raise Damage("it names a file twice")
        size = sum(file.stat().st_size for source in sources for file in source.iterdir() if file.is_file())
        check_claim(path, sum(count for found in runs.values() for _, count in found), MOST_BASES, size)
        parts = [_chosen(unbundled(path, source), found) for source, found in sources.items()]
        if index.get("environment") is not None:
            parts.append(unbundled(path, _below(folder, index["environment"])))
        said = f"{path} holds {len(levels)} levels of detail: the finest was read."
        return usable(path, joined(parts), remarks=(said,) if len(levels) > 1 else ())


def _leaves(root: dict[str, Any]) -> Iterator[dict[str, dict[str, int]]]:
    """Yield the runs of each leaf by their level, in the order of the tree."""
    todo = [root]
    while todo:
        node = todo.pop()
        yield from [node["lods"]] if node.get("lods") else []
        todo += reversed(node.get("children") or [])


def _below(folder: Path, name: str) -> Path:
    """Return the folder of one of the scene's files; raise Damage if it is not below the scene's folder."""
    place = PurePosixPath(name)
    found = (folder / place).resolve()
    if place.name != META or "\\" in name or not found.is_relative_to(folder.resolve()) or len(place.parts) < 2:
        raise Damage(f"{name[:80]} is no {META} below its folder")
    return found.parent


def _chosen(read: Gaussians, runs: list[tuple[int, int]]) -> Gaussians:
    """Return the Gaussians of runs, each a first one and a number, which lie one after another."""
    end = 0
    for first, count in sorted(runs):
        if first < end or count < 0:
            raise Damage("its runs of Gaussians overlap")
        end = first + count
    if end > len(read):
        raise Damage(f"it names {end} Gaussians in a file of {len(read)}")
    return read[torch.cat([torch.arange(first, first + count) for first, count in runs])]
