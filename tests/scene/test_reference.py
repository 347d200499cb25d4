"""Files exchanged with splat-transform, which `make test-formats` installs: each reads the other's alike.

Its .spz goes through Niantic's own library, but with the axes of a .ply ("no coordinate conversion"), where the format
means y up: such a scene is the other's turned about x. It only writes .glb.
"""

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.scene.files import decode_scene, encode_scene
from ilrm_cli.scene.formats.packing import turned
from ilrm_cli.scene.formats.scene_file import SceneFile
from tests.scene.test_files import PRECISION
from tests.support.splats import apart, splats

CONVERTER = Path(__file__).parents[2] / ".npm/node_modules/@playcanvas/splat-transform/bin/cli.mjs"
DEGREES = (0, 1, 2, 3)
# Both read the same bytes; .splat quaternions are read as (q - 128) / 128 here and as q / 127.5 - 1 there.
SAME = {"means": 1e-5, "shapes": 1e-3, "log_scales": 1e-3, "opacities": 1e-5, "colors": 1e-4, "harmonics": 1e-5}
TOLERANCE = {".splat": SAME | {"shapes": 0.02}}
# Its .sog cuts off where ours rounds, and its .spz counts positions in steps of 1/4096.
THEIRS = {".sog": {"means": 4e-4, "shapes": 0.06, "opacities": 0.004, "log_scales": 0.1}, ".spz": {"means": 1.3e-4}}

pytestmark = pytest.mark.reference


def converted(source: Path, target: Path, *options: str | Path) -> Path:
    """Convert a file with splat-transform; return the path of the result."""
    if not CONVERTER.is_file():
        pytest.skip("the converter is not here; run make test-formats")
    done = subprocess.run(
        ["node", CONVERTER, "--quiet", "--overwrite", "--gpu", "cpu", *options, source, target],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return target


def too_far(ours: Gaussians, theirs: Gaussians, limits: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in apart(ours, theirs).items() if value > limits[name]}


@pytest.mark.parametrize("degree", DEGREES)
@pytest.mark.parametrize("suffix", [".ply", ".compressed.ply", ".splat", ".spz", ".sog"])
def test_the_converter_reads_what_we_write(tmp_path: Path, suffix: str, degree: int) -> None:
    ours = tmp_path / f"ours{suffix}"
    ours.write_bytes(encode_scene(SceneFile(splats(700, degree)), suffix))
    theirs = decode_scene(converted(ours, tmp_path / "theirs.ply")).gaussians
    read = decode_scene(ours).gaussians
    assert theirs.sh_degree == read.sh_degree
    assert not too_far(turned(read, "x") if suffix == ".spz" else read, theirs, TOLERANCE.get(suffix, SAME))


@pytest.mark.parametrize("degree", DEGREES)
@pytest.mark.parametrize(
    ("suffix", "options"),
    [(".ply", ()), (".compressed.ply", ()), (".spz", ("--spz-version", "3")), (".spz", ()), (".sog", ()), (".glb", ())],
)
def test_we_read_what_the_converter_writes(tmp_path: Path, suffix: str, options: tuple[str, ...], degree: int) -> None:
    source, scene = tmp_path / "source.ply", splats(700, degree)
    source.write_bytes(encode_scene(SceneFile(scene), ".ply"))
    read = decode_scene(converted(source, tmp_path / f"theirs{suffix}", *options)).gaussians
    assert read.sh_degree == degree
    assert not too_far(
        turned(scene, "x") if suffix == ".spz" else scene, read, PRECISION[suffix] | THEIRS.get(suffix, {})
    )


@pytest.mark.parametrize("suffix", [".ply", ".compressed.ply", ".spz", ".sog"])
def test_both_know_antialiased_scenes(tmp_path: Path, suffix: str) -> None:
    """By way of the converter and of each format that has a mark."""
    ours = tmp_path / f"ours{suffix}"
    ours.write_bytes(encode_scene(SceneFile(replace(splats(50, 1), antialiased=True)), suffix))
    assert decode_scene(converted(ours, tmp_path / "theirs.ply")).gaussians.antialiased
    assert decode_scene(converted(tmp_path / "theirs.ply", tmp_path / f"theirs{suffix}")).gaussians.antialiased


def test_scenes_that_are_not_bundled(tmp_path: Path) -> None:
    source, folder = tmp_path / "source.ply", tmp_path / "theirs"
    source.write_bytes(encode_scene(SceneFile(splats(700, 2)), ".ply"))
    folder.mkdir()
    read = decode_scene(converted(source, folder / "meta.json")).gaussians
    assert not too_far(splats(700, 2), read, PRECISION[".sog"] | THEIRS[".sog"])


def test_scenes_that_are_streamed(tmp_path: Path) -> None:
    """Of two levels and an environment."""
    for name, (count, seed) in {"fine": (3000, 0), "coarse": (500, 1), "sky": (200, 2)}.items():
        (tmp_path / f"{name}.ply").write_bytes(encode_scene(SceneFile(splats(count, 0, seed)), ".ply"))
    others = [tmp_path / "sky.ply", "--tag-lod", "-1", tmp_path / "coarse.ply", "--tag-lod", "1"]
    chunks = ["--lod-chunk-count", "1", "--lod-chunk-min", "1"]
    (tmp_path / "theirs").mkdir()
    read = decode_scene(converted(tmp_path / "fine.ply", tmp_path / "theirs/lod-meta.json", *chunks, *others))
    assert read.remarks
    expected = Gaussians.concatenated(splats(3000, 0, 0), splats(200, 0, 2))
    assert not too_far(expected, read.gaussians, PRECISION[".sog"] | THEIRS[".sog"])


def test_version_4_of_spz_is_read_by_the_converter(tmp_path: Path) -> None:
    ours = tmp_path / "ours.spz"
    ours.write_bytes(encode_scene(SceneFile(splats(700, 2)), ".spz", 4))
    theirs = decode_scene(converted(ours, tmp_path / "theirs.ply")).gaussians
    assert not too_far(turned(decode_scene(ours).gaussians, "x"), theirs, SAME)
