import struct
from pathlib import Path

import pytest
import torch

from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.geometry.harmonics import SH_C0
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.scene.formats.scene_file import SceneFile
from ilrm_cli.scene.formats.splat import decode_splat, encode_splat
from tests.support.splats import one


def test_bytes_of_one_gaussian() -> None:
    scene = one(
        quaternions=torch.tensor([[0.5, -0.5, 0.5, 0.5]]),
        opacities=torch.tensor([0.2]),
        harmonics=torch.tensor([[[0.5 / SH_C0, -2.0, -0.3 / SH_C0]]]),
    )
    expected = struct.pack("<6f8B", 1, 2, 3, 1, 0.5, 0.25, 255, 0, 51, 51, 192, 64, 192, 192)
    assert encode_splat(SceneFile(scene)) == expected


def test_what_covers_most_comes_first(tmp_path: Path) -> None:
    small, faint, large = one(), one(opacities=torch.tensor([0.3])), one(scales=torch.full((1, 3), 2.0))
    file = tmp_path / "a.splat"
    file.write_bytes(encode_splat(SceneFile(Gaussians.concatenated(faint, small, large))))
    read = decode_splat(file).gaussians
    assert read.scales[0].tolist() == [2, 2, 2]
    assert read.opacities.tolist()[1:] == pytest.approx([1, 0.3], abs=0.002)


def test_reading_drops_and_counts_what_is_not_finite(tmp_path: Path) -> None:
    file, row = tmp_path / "a.splat", encode_splat(SceneFile(one()))
    nothing = struct.pack("<f", float("nan")) + row[4:]
    no_rotation = row[:28] + bytes([128] * 4)
    file.write_bytes(row + nothing + no_rotation)
    read = decode_splat(file)
    assert (len(read.gaussians), read.dropped) == (1, 2)
    for content, why in (
        (row[:31], "31 bytes"),
        (b"", "no Gaussians"),
        (nothing, "none of them with finite and sensible numbers"),
    ):
        file.write_bytes(content)
        with pytest.raises(InputError, match=why):
            decode_splat(file)
