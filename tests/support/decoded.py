"""Videos as a player sees them."""

from pathlib import Path
from typing import Any

import imageio_ffmpeg
import numpy as np


def decoded(video: Path) -> tuple[dict[str, Any], list[np.ndarray]]:
    """Return what ffmpeg says about a video ("size", "fps", "codec", "pix_fmt"), and its frames."""
    frames = imageio_ffmpeg.read_frames(video)
    about = next(frames)
    width, height = about["size"]
    return about, [np.frombuffer(frame, np.uint8).reshape(height, width, 3) for frame in frames]
