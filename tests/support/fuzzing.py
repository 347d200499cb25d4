"""Files of all kinds, mutated at random from fixed seeds: every reader takes them, or refuses them in one sentence.

`python -m tests.support.fuzzing --mutations 20000 [READER ...]` runs it alone, names each place that raised anything
else, and ends with a traceback if a reader hangs. The same seed makes the same mutations.
"""

import argparse
import faulthandler
import json
import shutil
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from ilrm_cli.capture.photos.folder import VideoChoice, open_folder
from ilrm_cli.capture.photos.header import photo_header
from ilrm_cli.capture.photos.pixels import PICTURES, read_photo
from ilrm_cli.capture.photos.video import frames_of_video
from ilrm_cli.capture.poses.colmap import read_model
from ilrm_cli.capture.poses.lenses import parse_given
from ilrm_cli.capture.poses.pose_set import PoseSet, rigid, sound
from ilrm_cli.capture.poses.tools.read import read_tool_poses
from ilrm_cli.capture.poses.transforms_json import read_transforms
from ilrm_cli.models.checkpoint import encode_model, load_model
from ilrm_cli.render.video import write_video
from ilrm_cli.runtime.errors import LONGEST, InputError
from ilrm_cli.scene.checks import FIELD
from ilrm_cli.scene.files import SUFFIXES, decode_scene, encode_scene
from ilrm_cli.scene.formats.scene_file import SceneFile
from ilrm_cli.scene.formats.spz import encode_spz
from ilrm_cli.scene.record import encode_record, read_record
from ilrm_cli.visualize.film.camera_files import read_camera_path
from tests.capture.test_colmap import small_model
from tests.scene.test_ksplat import split
from tests.scene.test_record import record
from tests.support import tool_projects as tools
from tests.support.mutations import mutated
from tests.support.scene_folders import gsplat_png, streamed
from tests.support.small_fields import field_file
from tests.support.small_models import MATCHED, random_model
from tests.support.splats import splats

LONGEST_S = 10.0  # that a reader may take


@dataclass(frozen=True)
class Reader:
    """A reader and the whole files that it reads."""

    write: Callable[[Path], list[Path]]  # into a folder; returns the files to mutate
    read: Callable[[Path], None]  # reads the folder, and raises AssertionError if what it read is garbage
    share: float = 1.0  # of the mutations: slow readers take fewer


# Readers


def _file(name: str, content: bytes) -> Callable[[Path], list[Path]]:
    def write(folder: Path) -> list[Path]:
        (folder / name).write_bytes(content)
        return [folder / name]

    return write


def _scene(name: str, content: Callable[[], bytes]) -> Reader:
    def read(folder: Path) -> None:
        scene = decode_scene(folder / name).gaussians
        assert len(scene)
        assert scene.finite().all()
        assert scene.opacities.min() >= 0
        assert scene.opacities.max() <= 1
        assert scene.scales.min() >= 0

    return Reader(lambda folder: _file(name, content())(folder), read)


def _folder(write: Callable[[Path], object]) -> Reader:
    def written(folder: Path) -> list[Path]:
        write(folder)
        return sorted(path for path in folder.rglob("*") if path.is_file())

    return replace(_scene("", bytes), write=written)


def _photo(suffix: str, **options: object) -> Reader:
    def write(folder: Path) -> list[Path]:
        picture = Image.fromarray(np.random.default_rng(0).integers(0, 255, (24, 32, 3), dtype=np.uint8))
        exif = Image.Exif()
        exif[274] = 6
        picture.save(folder / f"a{suffix}", exif=exif, **options)
        return [folder / f"a{suffix}"]

    def read(folder: Path) -> None:
        PICTURES.forget()
        header, pixels = photo_header(folder / f"a{suffix}"), read_photo(folder / f"a{suffix}")
        assert pixels.shape == (*header.upright_size[::-1], 3), (pixels.shape, header)

    return Reader(write, read)


def _check_poses(poses: PoseSet) -> None:
    for pose in sound(poses, "the source").poses:
        assert rigid(pose.world_from_cam) is not None
        assert min(pose.lens.width, pose.lens.height) > 0
        assert np.isfinite(pose.lens.params).all()


def _colmap(kind: str) -> Reader:
    def write(folder: Path) -> list[Path]:
        model = small_model(cameras=2, images=2)
        (model.write_binary if kind == "bin" else model.write_text)(folder)
        return sorted(folder.iterdir())

    return Reader(write, lambda folder: _check_poses(read_model(folder)))


def _transforms() -> Reader:
    frames = [{"file_path": f"{i}.jpg", "transform_matrix": np.eye(4).tolist(), "k1": 0.1} for i in range(3)]
    content = {"camera_model": "OPENCV", "fl_x": 50.0, "cx": 32.0, "cy": 24.0, "w": 64, "h": 48, "frames": frames}

    def read(folder: Path) -> None:
        _check_poses(read_transforms(folder / "transforms.json", lambda _: (64, 48)))

    return Reader(_file("transforms.json", json.dumps(content, indent=1).encode()), read)


def _path() -> Reader:
    frames = [{"camera_to_world": np.eye(4).ravel().tolist(), "fov": 50, "aspect": 1.3} for _ in range(3)]
    content = {"render_width": 64, "render_height": 48, "fps": 24, "camera_path": frames}

    def read(folder: Path) -> None:
        cameras = read_camera_path(folder / "path.json").cameras
        assert cameras.world_from_cam.isfinite().all()
        assert (cameras.focal_px > 0).all()

    return Reader(_file("path.json", json.dumps(content, indent=1).encode()), read)


def _record() -> Reader:
    def read(folder: Path) -> None:
        for view in read_record(folder / "scene.json").views:
            assert rigid(np.array(view.world_from_cam)) is not None
            assert min(*view.focal_px, view.width, view.height) > 0

    return Reader(lambda folder: _file("scene.json", encode_record(record()))(folder), read)


def _tool(name: str) -> Reader:
    def write(folder: Path) -> list[Path]:
        tools.TOOLS[name](folder)
        pictures = (".png", ".jpg")
        return sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix not in pictures)

    def read(folder: Path) -> None:
        found = open_folder(folder)
        named = found.tool_poses("auto")
        if named is None:
            raise InputError("no poses are recognised")
        _check_poses(read_tool_poses(named, found.root, found.listing)[0])

    return Reader(write, read, 0.2)


def _model() -> Reader:
    def write(folder: Path) -> list[Path]:
        weights, config = encode_model(random_model(MATCHED))
        (folder / "a.safetensors").write_bytes(weights)
        (folder / "a.json").write_bytes(config)
        return [folder / "a.json", folder / "a.safetensors"]

    def read(folder: Path) -> None:
        model = load_model(str(folder / "a.safetensors")).model
        assert all(weights.isfinite().all() for weights in model.parameters())

    return Reader(write, read, 0.1)


def _video() -> Reader:
    def write(folder: Path) -> list[Path]:
        dice = np.random.default_rng(0)
        write_video(folder / "a.mp4", [dice.integers(0, 255, (48, 64, 3), dtype=np.uint8) for _ in range(6)], 5)
        return [folder / "a.mp4"]

    return Reader(write, lambda folder: frames_of_video(folder / "a.mp4", VideoChoice()) and None, 0.02)


def readers() -> dict[str, Reader]:
    """Return all readers by name."""
    scene = SceneFile(splats(40, 1), ("a comment",), confidence=torch.rand(40))
    scenes = {suffix: (lambda suffix=suffix: encode_scene(scene, suffix)) for suffix in SUFFIXES}
    scenes |= {FIELD: lambda: encode_scene(field_file("triposr"), FIELD)}
    scenes |= {".spz4.spz": lambda: encode_spz(scene, version=4), ".ksplat": lambda: split(1, 1)}
    photos = {".jpg": {}, ".png": {}, ".tif": {}, ".webp": {}, ".avif": {}, ".tiff": {"compression": "tiff_lzw"}}
    lens = b"# a comment\n1 OPENCV 640 480 500 510 320 240 0.1 0.01 0.001 0.002\n2 PINHOLE 64 48 50 50 32 24\n"
    return {
        **{f"scene{suffix}": _scene(f"a{suffix}", content) for suffix, content in scenes.items()},
        "scene-streamed": _folder(streamed),
        "scene-gsplat-png": _folder(gsplat_png),
        **{f"photo{suffix}": _photo(suffix, **options) for suffix, options in photos.items()},
        **{f"colmap-{kind}": _colmap(kind) for kind in ("bin", "txt")},
        "transforms": _transforms(),
        "path": _path(),
        "record": _record(),
        "lens": Reader(_file("c.txt", lens), lambda folder: parse_given(str(folder / "c.txt")) and None),
        "model": _model(),
        "video": _video(),
        **{f"tool-{name}": _tool(name) for name in tools.TOOLS},
    }


def faults(reader: Reader, mutations: int, seed: int = 0) -> Iterator[tuple[int, str]]:
    """Mutate a reader's files; yield the number of each mutation that it should not answer so, and what it did."""
    with tempfile.TemporaryDirectory() as place, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        folder = Path(place) / "files"
        folder.mkdir()
        files = reader.write(folder)
        reader.read(folder)  # raises if what is whole is not read
        whole = {file: file.read_bytes() for file in files}
        for number in range(max(1, round(mutations * reader.share))):
            dice = np.random.default_rng((seed, number))
            file = files[int(dice.integers(len(files)))]
            file.write_bytes(mutated(whole[file], dice))
            if fault := _fault_of(reader, folder):
                yield number, fault
            file.write_bytes(whole[file])
        shutil.rmtree(folder)


def _fault_of(reader: Reader, folder: Path) -> str | None:
    begun_s = time.monotonic()
    faulthandler.dump_traceback_later(6 * LONGEST_S, exit=True)  # also of code that is deaf to signals
    try:
        reader.read(folder)
    except InputError as error:
        sentence = str(error)
        if len(sentence) > LONGEST or not sentence.isprintable():
            return f"says {sentence!r}"
    except Exception as error:
        last = [frame for frame in traceback.extract_tb(error.__traceback__) if "ilrm_cli" in frame.filename][-1:]
        where = f"{Path(last[0].filename).name}:{last[0].lineno}" if last else "nowhere of ours"
        return f"{type(error).__name__} at {where}: {str(error)[:80]}"
    finally:
        faulthandler.cancel_dump_traceback_later()
    seconds = time.monotonic() - begun_s
    return f"took {seconds:.0f} s" if seconds > LONGEST_S else None


def main() -> None:
    """Run readers and print what they did wrong, each kind once with the number of its first mutation."""
    parser = argparse.ArgumentParser()
    parser.add_argument("readers", nargs="*")
    parser.add_argument("--mutations", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    failed = False
    for name, reader in readers().items():
        if asked.readers and name not in asked.readers:
            continue
        kinds: dict[str, list[int]] = {}
        for number, fault in faults(reader, asked.mutations, asked.seed):
            kinds.setdefault(fault.partition(":")[0] if " at " not in fault else fault, []).append(number)
        failed |= bool(kinds)
        sys.stdout.write(f"{name}: {sum(map(len, kinds.values()))} faults\n")
        for fault, numbers in kinds.items():
            sys.stdout.write(f"    {len(numbers)} x {fault} (mutation {numbers[0]})\n")
        sys.stdout.flush()
    sys.exit(failed)


if __name__ == "__main__":
    main()
