"""Tiny data sets in the published layouts, of the textured corner in `tests.support.photographed`."""

import io
import json
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from tests.support.photographed import FOCAL, HEIGHT, WIDTH, cameras_on_an_arc, photograph

QUALITY = 95  # JPEG quality
GL_FROM_CV = np.diag([1.0, -1.0, -1.0, 1.0])


def jpeg(image: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=QUALITY, subsampling=0)
    return buffer.getvalue()


def re10k_clip(key: str, poses: list[np.ndarray], width: int = WIDTH, height: int = HEIGHT) -> dict:
    focal = FOCAL * width / WIDTH
    cameras = torch.zeros(len(poses), 18)
    cameras[:, :4] = torch.tensor([focal / width, focal / height, 0.5, 0.5])
    cameras[:, 6:] = torch.tensor(np.stack([np.linalg.inv(pose)[:3].ravel() for pose in poses]))
    images = [torch.frombuffer(bytearray(jpeg(photograph(p, 0, width, height))), dtype=torch.uint8) for p in poses]
    stamps = torch.arange(len(poses)) * 33_333
    return {"key": key, "url": "https://example.org/v", "timestamps": stamps, "cameras": cameras, "images": images}


def write_re10k(root: Path, clips: list[dict], stage: str = "test") -> Path:
    """Write two clips per chunk, as `root/stage/000000.torch` and so on."""
    (root / stage).mkdir(parents=True)
    index = {}
    for start in range(0, len(clips), 2):
        chunk = root / stage / f"{start // 2:06d}.torch"
        torch.save(clips[start : start + 2], chunk)
        index |= {clip["key"]: chunk.name for clip in clips[start : start + 2]}
    (root / stage / "index.json").write_text(json.dumps(index))
    return root


def write_dl3dv(folder: Path, poses: list[np.ndarray], factor: int = 4) -> Path:
    """Write `transforms.json` with the lens of an original `factor` times larger; write only `images_{factor}`."""
    (folder / f"images_{factor}").mkdir(parents=True)
    frames = []
    for number, pose in enumerate(poses, start=1):
        name = f"frame_{number:05d}.png"
        Image.fromarray(photograph(pose)).save(folder / f"images_{factor}" / name)
        frames.append({"file_path": f"images/{name}", "transform_matrix": (pose @ GL_FROM_CV).tolist()})
    lens = {"w": factor * WIDTH, "h": factor * HEIGHT, "fl_x": factor * FOCAL, "fl_y": factor * FOCAL}
    centre = {"cx": factor * WIDTH / 2, "cy": factor * HEIGHT / 2}
    content = lens | centre | {"camera_model": "OPENCV", "k1": 0.0, "frames": frames[::-1]}
    (folder / "transforms.json").write_text(json.dumps(content))
    return folder


def arc(count: int) -> list[np.ndarray]:
    return cameras_on_an_arc(count)
