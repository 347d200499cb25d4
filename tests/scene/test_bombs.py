"""Small files that announce enormous scenes: refused at once, and without the memory that they ask for."""

import gzip
import io
import json
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch
from PIL import Image

from ilrm_cli.runtime.errors import InputError
from ilrm_cli.scene.files import decode_scene, encode_scene
from ilrm_cli.scene.formats.scene_file import ALWAYS_READ, SceneFile
from tests.support.splats import splats

HEADER = "ply\nformat binary_little_endian 1.0\n{}end_header\n"
VERTEX = "element vertex {}\n" + "".join(f"property float {name}\n" for name in "xyz")
READ_ALL = """import resource, sys, time
from pathlib import Path
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.scene.files import decode_scene
def spent():  # ru_maxrss begins with that of the process that started this one
    peak = Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]
    return int(peak) / 1024, resource.getrusage(resource.RUSAGE_SELF).ru_utime
begun = spent()
for file in sorted(Path(sys.argv[1]).iterdir()):
    try: decode_scene(file)
    except InputError as error: assert len(str(error)) < 300, error
    else: raise SystemExit(f"{file} was read")
ended = spent()
print(ended[0] - begun[0], (ended[1] - begun[1]) / begun[1])"""


def flat_webp(color: tuple[int, ...], side: int) -> bytes:
    content = io.BytesIO()
    Image.new("RGBA", (side, side), color).save(content, "WEBP", lossless=True, method=0)
    return content.getvalue()


def sog_of(count: int, side: int, harmonics: bool = False, spaces: int = 0) -> bytes:
    book, means = [0.0] * 256, {"mins": [0, 0, 0], "maxs": [1, 1, 1], "files": ["a.webp", "a.webp"]}
    meta = {"version": 2, "count": count, "means": means, "scales": {"codebook": book, "files": ["a.webp"]}}
    meta |= {"quats": {"files": ["q.webp"]}, "sh0": {"codebook": book, "files": ["a.webp"]}}
    if harmonics:
        meta["shN"] = {"count": 64, "bands": 3, "codebook": book, "files": ["a.webp", "a.webp"]}
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("meta.json", json.dumps(meta) + " " * spaces)
        archive.writestr("a.webp", flat_webp((1, 2, 3, 255), side))
        archive.writestr("q.webp", flat_webp((1, 2, 3, 252), side))
    return content.getvalue()


def spz_of(count: int) -> bytes:
    return gzip.compress(struct.pack("<IIIBBBB", 0x5053474E, 3, count, 0, 12, 0, 0) + bytes(20 * count))


def glb_of_repeated_primitives() -> bytes:
    """Return a file whose scene shows the same hundred Gaussians a hundred thousand times."""
    data = encode_scene(SceneFile(splats(100, 3)), ".glb")
    length = struct.unpack_from("<I", data, 12)[0]
    content = json.loads(data[20 : 20 + length])
    content["meshes"][0]["primitives"] *= 5_000
    content["nodes"] = [{"mesh": 0}] * 20
    content["scenes"] = [{"nodes": list(range(20))}]
    text = json.dumps(content, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    return data[:12] + struct.pack("<II", len(text), 0x4E4F534A) + text + data[20 + length :]


BOMBS = {
    "pictures.sog": lambda: sog_of(25_000_000, 5_000),
    "harmonics.sog": lambda: sog_of(1_000_000, 1_000, harmonics=True),
    "larger_picture.sog": lambda: sog_of(1_000, 7_000),
    "description.sog": lambda: sog_of(10, 4, spaces=250_000_000),
    "zeros.spz": lambda: spz_of(2_400_000),
    "repeated.glb": glb_of_repeated_primitives,
    "vertices.ply": lambda: HEADER.format(VERTEX.format(2**31)).encode() + bytes(1000),
    "empty_rows.ply": lambda: HEADER.format("element foo 1000000000\n" + VERTEX.format(1)).encode() + bytes(12),
    "lists.ply": lambda: (
        HEADER.format("element foo 300000000\nproperty list uchar uchar x\n" + VERTEX.format(1)).encode() + bytes(500)
    ),
    "long_list.ply": lambda: (
        HEADER.format("element foo 1\nproperty list uint double x\n" + VERTEX.format(1)).encode() + b"\xff" * 500
    ),
    "text.ply": lambda: (
        HEADER.format(VERTEX.format(10**9)).replace("binary_little_endian", "ascii").encode() + b"1 2 3"
    ),
    "digits.ply": lambda: HEADER.format(VERTEX.format("9" * 4000)).encode(),
}


@pytest.fixture(scope="module")
def bombs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with all of them."""
    folder = tmp_path_factory.mktemp("bombs")
    for name, made in BOMBS.items():
        (folder / name).write_bytes(made())
    return folder


@pytest.mark.parametrize("name", [name for name in BOMBS if name != "description.sog"])
def test_bombs_are_refused(bombs: Path, name: str) -> None:
    with pytest.raises(InputError, match=r"cut short or damaged|not a Gaussian splat scene") as told:
        decode_scene(bombs / name)
    assert len(str(told.value)) < 300


def test_no_bomb_takes_memory_or_time(bombs: Path) -> None:
    """All of them take less time than the start of the process that reads them."""
    command = [sys.executable, "-c", READ_ALL, str(bombs)]
    megabytes, starts = map(float, subprocess.run(command, capture_output=True, check=True, text=True).stdout.split())
    assert megabytes < 200
    assert starts < 1


def test_scenes_of_equal_gaussians_are_no_bombs(tmp_path: Path) -> None:
    """Ours, at the limit up to which a file may be packed however tightly."""
    scene = splats(1, 0)[torch.zeros(ALWAYS_READ // 4, dtype=torch.int64)]
    (tmp_path / "a.spz").write_bytes(encode_scene(SceneFile(scene), ".spz"))
    assert (tmp_path / "a.spz").stat().st_size < ALWAYS_READ // 4
    assert len(decode_scene(tmp_path / "a.spz").gaussians) == ALWAYS_READ // 4


def test_a_scene_larger_than_the_free_memory_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.spz").write_bytes(encode_scene(SceneFile(splats(1000, 3)), ".spz"))
    monkeypatch.setattr("ilrm_cli.scene.formats.scene_file.free_bytes", lambda _: 1_000_000)
    with pytest.raises(InputError, match=r"GB of memory to read, and 0\.0 GB are free"):
        decode_scene(tmp_path / "a.spz")
