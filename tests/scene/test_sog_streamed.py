"""Streamed .sog: a lod-meta.json and the unbundled scenes that it names."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from ilrm_cli.runtime.errors import InputError
from ilrm_cli.scene.checks import index_in, record_path
from ilrm_cli.scene.convert import convert
from ilrm_cli.scene.files import decode_scene
from tests.support.scene_folders import BOX, run, streamed


@pytest.mark.parametrize("name", ["", "lod-meta.json"])
def test_the_finest_level_and_the_environment_are_read(tmp_path: Path, name: str) -> None:
    folder, parts = streamed(tmp_path / "scene")
    read = decode_scene(folder / name)
    assert read.remarks == (f"{folder / name} holds 2 levels of detail: the finest was read.",)
    expected = [parts[part] for part in ("0_0", "0_1", "env")]
    assert torch.equal(read.gaussians.means, torch.cat([part.means for part in expected]))
    assert torch.equal(read.gaussians.harmonics[:, 0], torch.cat([part.harmonics[:, 0] for part in expected]))
    assert torch.equal(read.gaussians.harmonics[:40], parts["0_0"].harmonics)
    assert not read.gaussians.harmonics[40:70, 1:].any()  # the part without higher harmonics


def test_a_scene_of_one_level_is_the_same_without_a_word(tmp_path: Path) -> None:
    """As from before the format had versions, and in any order of its runs."""
    tree = {"children": [{"lods": {"0": run(1, 25, 15)}}, {"lods": {"0": run(1, 0, 25)}}]}
    folder, parts = streamed(tmp_path, tree=tree, environment=None, version=1)
    index = json.loads((folder / "lod-meta.json").read_text())
    del index["version"]
    (folder / "lod-meta.json").write_text(json.dumps(index))
    read = decode_scene(folder)
    assert not read.remarks
    assert torch.equal(read.gaussians.means, parts["0_0"].means[[*range(25, 40), *range(25)]])


def test_it_is_exported_and_has_its_record_beside_its_folder(tmp_path: Path) -> None:
    folder, _ = streamed(tmp_path / "scene")
    for given in (folder, folder / "lod-meta.json"):
        assert record_path(given) == tmp_path / "scene.json"
    done = convert(folder / "lod-meta.json", tmp_path / "a.ply")
    assert done.gaussians == 80
    assert done.input_bytes == sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"version": 2}, "of version 2; 1 is known"),
        ({"tree": BOX}, "no leaves"),
        ({"tree": {"lods": {"0": run(3, 0, 1)}}}, "does not hold together"),
        ({"tree": {"lods": {"0": run(1, 1, 40)}}}, "names 41 Gaussians in a file of 40"),
        ({"tree": {"children": [{"lods": {"0": run(1, 0, 30)}}] * 2}}, "overlap"),
        ({"tree": {"lods": {"0": run(1, 0, 10**12)}}}, "cannot hold 1000000000000 Gaussians"),
        ({"tree": {"lods": {"0": run(1, -1, 10)}}}, "overlap"),
        ({"filenames": ["0_0/meta.json"] * 3}, "names a file twice"),
        ({"filenames": ["../0_0/meta.json"] * 2}, "no meta.json below its folder"),
        ({"filenames": ["/etc/meta.json"] * 2}, "no meta.json below its folder"),
        ({"filenames": ["meta.json"] * 2}, "no meta.json below its folder"),
        ({"filenames": ["0_0/sh0.webp"] * 2}, "no meta.json below its folder"),
        ({"filenames": ["absent/meta.json"] * 2}, "cut short or damaged"),
        ({"environment": "../env/meta.json"}, "no meta.json below its folder"),
    ],
)
def test_indexes_that_do_not_fit(tmp_path: Path, changes: dict[str, Any], why: str) -> None:
    folder, _ = streamed(tmp_path / "scene", **changes)
    with pytest.raises(InputError, match=why):
        decode_scene(folder)


def test_links_out_of_the_folder_are_not_followed(tmp_path: Path) -> None:
    folder, _ = streamed(tmp_path / "scene")
    (folder / "0_1").rename(tmp_path / "elsewhere")
    (folder / "0_1").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="below its folder"):
        decode_scene(folder)


def test_the_file_that_stands_for_a_folder_is_found(tmp_path: Path) -> None:
    assert index_in(tmp_path) is None
    for name in ("lod-meta.json", "meta.json"):  # of both, the chunk that lies there itself is meant
        (tmp_path / name).write_text("{}")
        assert index_in(tmp_path) == tmp_path / name
