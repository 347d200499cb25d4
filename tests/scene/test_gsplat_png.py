"""Folders of gsplat's PngCompression, written by it and read beside it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from ilrm_cli.runtime.errors import InputError
from ilrm_cli.scene.files import decode_scene

pytest.importorskip("imageio")  # which gsplat's compression needs and does not declare
PngCompression = pytest.importorskip("gsplat.compression").PngCompression
COUNT, BASES, TABLE = 36, 8, 20  # a square of Gaussians; sets of higher harmonics


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a compressed scene of degree 2; k-means, which would need a GPU, is replaced by a table."""
    draw = torch.Generator().manual_seed(0)
    widths = {"means": (3,), "scales": (3,), "quats": (4,), "opacities": (), "sh0": (1, 3)}
    trained = {name: torch.randn(COUNT, *width, generator=draw) for name, width in widths.items()}
    PngCompression(use_sort=False, verbose=False).compress(str(tmp_path), trained)
    numbers = np.random.default_rng(0)
    centroids = numbers.integers(0, 64, (TABLE, 3 * BASES), dtype=np.uint8)
    labels = numbers.integers(0, TABLE, COUNT).astype(np.uint16)
    np.savez_compressed(tmp_path / "shN.npz", centroids=np.asfortranarray(centroids), labels=labels)
    entry = {"shape": [COUNT, BASES, 3], "dtype": "float32", "mins": -0.7, "maxs": 0.9, "quantization": 6}
    changed(tmp_path, shN=entry)
    return tmp_path


def changed(folder: Path, **sections: Any) -> None:
    meta = json.loads((folder / "meta.json").read_text())
    (folder / "meta.json").write_text(json.dumps(meta | sections))


def theirs(folder: Path) -> dict[str, Tensor]:
    return PngCompression().decompress(str(folder))


@pytest.mark.parametrize("name", ["", "meta.json"])
def test_it_is_read_as_gsplat_reads_it(folder: Path, name: str) -> None:
    read, expected = decode_scene(folder / name), theirs(folder)
    assert not read.remarks
    assert not read.dropped
    found = read.gaussians
    torch.testing.assert_close(found.means, expected["means"])
    torch.testing.assert_close(found.scales, expected["scales"].exp())
    torch.testing.assert_close(found.opacities, expected["opacities"].sigmoid())
    torch.testing.assert_close(found.quaternions, torch.nn.functional.normalize(expected["quats"], dim=1))
    torch.testing.assert_close(found.harmonics, torch.cat([expected["sh0"], expected["shN"]], 1))


def test_a_scene_without_higher_harmonics(folder: Path) -> None:
    meta = json.loads((folder / "meta.json").read_text())
    del meta["shN"]
    meta["features"] = {"shape": [COUNT, 32], "dtype": "float32"}
    (folder / "meta.json").write_text(json.dumps(meta))
    read = decode_scene(folder)
    assert read.gaussians.sh_degree == 0
    assert "(features)" in read.remarks[0]


def shape(*numbers: int) -> dict[str, Any]:
    return {"shape": numbers, "dtype": "float32", "mins": [-1, -1, -1], "maxs": [1, 1, 1]}


@pytest.mark.parametrize(
    ("sections", "why"),
    [
        ({"means": shape(49, 3)}, "means_l.png is no picture of 49 pixels"),
        ({"means": shape(10**12, 3)}, "cannot hold 1000000000000 Gaussians"),
        ({"scales": shape(COUNT, 3) | {"quantization": 6}}, "scales.png has other steps"),
        ({"quats": {}}, "does not hold together"),
        ({"scales": shape(COUNT, 3) | {"mins": [[[-1, -1, -1]]] * 50}}, "a range is of 150 and 3 numbers"),
        ({"shN": {"shape": [COUNT, 7, 3], "mins": 0, "maxs": 1, "quantization": 6}}, "7 higher harmonics"),
        ({"shN": {"shape": [COUNT, 3, 3], "mins": 0, "maxs": 1, "quantization": 6}}, "does not hold together"),
        ({"shN": {"shape": [COUNT, 8, 3], "mins": 0, "maxs": 1, "quantization": 60}}, "in steps of"),
    ],
)
def test_descriptions_that_do_not_fit(folder: Path, sections: dict[str, Any], why: str) -> None:
    changed(folder, **sections)
    with pytest.raises(InputError, match=why):
        decode_scene(folder)


@pytest.mark.parametrize(
    ("arrays", "why"),
    [
        ({"labels": np.full(COUNT, TABLE)}, "indices beyond its 20 sets"),
        ({"labels": np.full(COUNT, -1)}, "indices beyond"),
        ({"labels": np.zeros(COUNT - 1, "u2")}, "does not hold 36 indices"),
        ({"labels": np.array([{}] * COUNT)}, "holds objects"),
        ({"labels": np.zeros(10**6)}, "larger than a scene can be"),
        ({"centroids": np.zeros((TABLE, 24))}, "does not hold 36 indices"),
    ],
)
def test_tables_that_do_not_fit(folder: Path, arrays: dict[str, Any], why: str) -> None:
    whole = {"labels": np.zeros(COUNT, "u2"), "centroids": np.zeros((TABLE, 24), "u1")}
    np.savez_compressed(folder / "shN.npz", **whole | arrays)
    with pytest.raises(InputError, match=why):
        decode_scene(folder)


def test_colours_of_a_network_are_named(folder: Path) -> None:
    """As of gsplat's `--app-opt`, which trains no sh0."""
    meta = json.loads((folder / "meta.json").read_text())
    del meta["sh0"]
    (folder / "meta.json").write_text(json.dumps(meta))
    with pytest.raises(InputError, match=r"compressed by gsplat without sh0; export a \.ply"):
        decode_scene(folder)
