"""Bytes of .ply files that their headers do not announce."""

from pathlib import Path

import numpy as np
import pytest
import torch

from ilrm_cli.scene.files import decode_scene, encode_scene
from ilrm_cli.scene.formats.ply import decode_ply, encode_ply
from ilrm_cli.scene.formats.scene_file import SceneFile
from tests.support.splats import splats

END = b"end_header\n"


def with_ends(content: bytes, ends: bytes, last: bytes) -> bytes:
    """Return a .ply whose header lines have these ends, the last one its own."""
    header, numbers = content.split(END)
    return header.replace(b"\n", ends) + END[:-1] + last + numbers


@pytest.mark.parametrize(("ends", "last"), [(b"\n", b"\r\n"), (b"\r\n", b"\n"), (b"\r\n", b"\r\n")])
def test_headers_whose_lines_end_in_two_ways(tmp_path: Path, ends: bytes, last: bytes) -> None:
    content = encode_ply(SceneFile(splats(9, degree=0)))
    (tmp_path / "a.ply").write_bytes(with_ends(content, ends, last))
    (tmp_path / "b.ply").write_bytes(content)
    read, plain = (decode_ply(tmp_path / name) for name in ("a.ply", "b.ply"))
    assert torch.equal(read.gaussians.means, plain.gaussians.means)
    assert not read.remarks


@pytest.mark.parametrize("suffix", [".ply", ".compressed.ply"])
@pytest.mark.parametrize("ends", [b"\n", b"\r\n"])
def test_bytes_beyond_the_header_are_counted(tmp_path: Path, suffix: str, ends: bytes) -> None:
    content = encode_scene(SceneFile(splats(9, degree=0)), suffix)
    file = tmp_path / f"a{suffix}"
    file.write_bytes(with_ends(content, ends, ends) + b"more and\nmore\r\n")
    read = decode_scene(file)
    assert len(read.gaussians) == 9
    assert read.remarks == (f"{file} holds 15 bytes more than its header says, which are passed over.",)


def test_numbers_that_were_copied_as_text(tmp_path: Path) -> None:
    """As by FTP in its text mode, or git on Windows: each line feed got a carriage return."""
    scene = splats(200, degree=1)
    content = encode_ply(SceneFile(scene))
    added = content.split(END)[1].count(b"\n")
    assert added > 20
    file = tmp_path / "a.ply"
    file.write_bytes(content.replace(b"\n", b"\r\n"))
    read = decode_ply(file)
    np.testing.assert_allclose(read.gaussians.means, scene.means)
    np.testing.assert_allclose(read.gaussians.harmonics, scene.harmonics)
    assert f"put {added} bytes into its numbers; they were taken out" in read.remarks[0]
