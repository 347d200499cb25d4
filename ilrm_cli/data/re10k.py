"""RealEstate10K in pixelSplat's layout: folders `train` and `test` of `NNNNNN.torch` chunks with an `index.json`.

A chunk is a list of clips, each a dict: "key", "url", "timestamps" [N], "cameras" [N, 18] (focal lengths and principal
point as shares of the image size, two zeros, then the 3x4 cam_from_world row by row) and "images", N tensors of JPEG
bytes (https://github.com/dcharatan/pixelsplat, src/dataset/dataset_re10k.py).
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float64, UInt8
from numpy import ndarray
from torch import Tensor

from ilrm_cli.capture.poses.lenses import pinhole
from ilrm_cli.capture.poses.pose_set import rigid
from ilrm_cli.data.sequences import resized_and_cropped
from ilrm_cli.geometry.cameras import Cameras, Lens
from ilrm_cli.geometry.views import Views
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.runtime.json_values import decoded
from ilrm_cli.runtime.pictures import DECODER_ERRORS, open_picture

PARTS = ("key", "cameras", "images")  # entries of a clip that are used
CAMERA_NUMBERS = 18  # 4 intrinsics, 2 unused, 12 of the pose


@dataclass(frozen=True)
class Re10kSequence:
    """One clip of a chunk; its JPEG bytes are memory-mapped from the chunk's file and read on demand."""

    name: str  # the clip's key
    cameras: Float[Tensor, "frame 18"] = field(repr=False)
    jpegs: tuple[UInt8[Tensor, "..."], ...] = field(repr=False)

    @property
    def frame_names(self) -> tuple[str, ...]:
        return tuple(f"{index:04d}" for index in range(len(self)))

    @cached_property
    def size(self) -> tuple[int, int]:
        """(width, height) of the clip's images in px, from the first one, since a video has one size."""
        try:
            with open_picture(io.BytesIO(self.jpegs[0].numpy().tobytes()), ("JPEG",)) as image:
                return image.size
        except DECODER_ERRORS as error:
            raise InputError(f"RE10K clip {self.name}: image 0 is damaged; get the chunk again.") from error

    @property
    def lenses(self) -> tuple[Lens, ...]:
        width, height = self.size
        shares = self.cameras[:, :4].double().tolist()
        return tuple(
            pinhole((fx * width, fy * height), (cx * width, cy * height), width, height) for fx, fy, cx, cy in shares
        )

    @cached_property
    def world_from_cam(self) -> Float64[ndarray, "frame 4 4"]:
        poses = [rigid(pose) for pose in self.cameras[:, 6:].double().reshape(-1, 3, 4).numpy()]
        if any(pose is None for pose in poses):
            raise InputError(f"RE10K clip {self.name} has a pose that is no rotation and translation; leave it out.")
        return np.linalg.inv(np.stack([pose for pose in poses if pose is not None]))

    @property
    def points(self) -> Float64[ndarray, "point 3"]:
        return np.zeros((0, 3))

    def __len__(self) -> int:
        return len(self.jpegs)

    def views(self, indices: Sequence[int], width: int, height: int) -> Views:
        """Return the frames as in `FrameSequence`. For 256x256 from 360x640 this is the published protocol.

        It resizes with Lanczos to 256x455, then crops. Raises InputError if an image is damaged.
        """
        native = self.lenses
        cut = [resized_and_cropped(self._decoded(i), native[i], width, height) for i in indices]
        params = torch.tensor([lens.params for _, lens in cut], dtype=torch.float64)  # [V, 4] fx, fy, cx, cy
        poses = torch.from_numpy(self.world_from_cam[list(indices)])
        images = torch.from_numpy(np.stack([image for image, _ in cut])).permute(0, 3, 1, 2).float().div(255)
        return Views(images, Cameras(poses, params[:, :2], params[:, 2:], width, height))

    def _decoded(self, index: int) -> UInt8[ndarray, "height width 3"]:
        try:
            with open_picture(io.BytesIO(self.jpegs[index].numpy().tobytes()), ("JPEG",)) as image:
                pixels = np.asarray(image.convert("RGB"))
        except DECODER_ERRORS as error:
            raise InputError(f"RE10K clip {self.name}: image {index} is damaged; get the chunk again.") from error
        if (pixels.shape[1], pixels.shape[0]) != self.size:
            raise InputError(f"RE10K clip {self.name}: image {index} has another size than the first; leave it out.")
        return pixels


def read_chunk(path: Path) -> list[Re10kSequence]:
    """Return the clips of a chunk; their images stay in the file until requested. Raises InputError if damaged."""
    if not path.is_file():
        raise InputError(f"{path} does not exist; get the chunk again.")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except Exception as error:  # torch raises a different type for every kind of damage
        raise InputError(f"{path} cannot be read as a RE10K chunk; get it again.") from error
    if not isinstance(content, list):
        raise InputError(f"{path} is not a RE10K chunk: it holds no list of clips.")
    return [_sequence(clip, path) for clip in content]


def _sequence(clip: Any, path: Path) -> Re10kSequence:
    if not isinstance(clip, dict) or any(part not in clip for part in PARTS):
        raise InputError(f"{path} is not a RE10K chunk: a clip lacks one of {', '.join(PARTS)}.")
    cameras, images = clip["cameras"], clip["images"]
    if cameras.ndim != 2 or cameras.shape[1] != CAMERA_NUMBERS or len(cameras) != len(images) or not len(images):
        raise InputError(f"{path}: clip {clip['key']} does not have {CAMERA_NUMBERS} camera numbers for each image.")
    return Re10kSequence(clip["key"], cameras.float(), tuple(images))


def read_index(root: Path) -> dict[str, Path]:
    """Map each key of a test clip to its chunk file, from `index.json`. Raises InputError if missing or damaged."""
    folder = root / "test"
    index = _decoded(folder / "index.json", dict[str, str], "get RE10K in pixelSplat's layout")
    return {key: folder / chunk for key, chunk in index.items()}


def find_sequence(index: dict[str, Path], key: str) -> Re10kSequence:
    """Return the clip of that key. Raises InputError if the index or its chunk lacks it."""
    if key not in index:
        raise InputError(f"RE10K clip {key} is not in index.json; get the chunk that holds it.")
    for sequence in read_chunk(index[key]):
        if sequence.name == key:
            return sequence
    raise InputError(f"{index[key]} does not hold the clip {key} that index.json promises; get it again.")


@dataclass(frozen=True)
class IndexEntry:
    """The input (context) and target frames of a clip."""

    context: tuple[int, ...]
    target: tuple[int, ...]


def read_evaluation_index(file: Path) -> dict[str, IndexEntry]:
    """Map each clip key to its frames, from pixelSplat's `evaluation_index_re10k.json`, without clips marked null.

    Raises InputError if the file is not such an index.
    """
    advice = "give pixelSplat's evaluation_index_re10k.json"
    index = _decoded(file, dict[str, IndexEntry | None], advice)
    return {key: entry for key, entry in index.items() if entry is not None}


def _decoded(file: Path, declared: Any, advice: str) -> Any:
    try:
        return decoded(file.read_bytes(), declared)
    except FileNotFoundError as error:
        raise InputError(f"{file} does not exist; {advice}.") from error
    except (ValueError, OSError) as error:
        raise InputError(f"{file} is no such index ({error}); {advice}.") from error
