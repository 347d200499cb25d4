"""What the user chose for a reconstruction; nothing heavy is imported."""

from dataclasses import dataclass
from typing import Literal

from ilrm_cli.capture.photos.folder import Origin, VideoChoice

# The same as in `devices` and `frames`, which import torch.
Device = Literal["auto", "cpu", "cuda"]
Precision = Literal["auto", "fp32", "bf16"]
Frame = Literal["input", "up", "opengl", "opencv"]


@dataclass(frozen=True)
class Settings:
    """The user's settings."""

    views: int | None = None  # inputs; None: see `select_inputs.auto_views`
    poses: Origin = "auto"  # source of the poses
    model: str = "default"  # name or path of the weights
    long_side_px: int | None = None  # of the model's images; None: the model's training size
    refine: int = 0  # iterations of post-prediction optimisation
    device: Device = "auto"
    precision: Precision = "auto"  # of the model's matrix products
    compile: bool = False  # whether to compile the update layers, see `models.loading`
    seed: int = 0
    frame: Frame = "input"  # of the written scene
    fps: float | None = None  # frames per second of video; None: as many as the motion requires
    max_frames: int = VideoChoice.max_frames  # limit over all videos
    camera: str | None = None  # the known lens; see `capture.poses.lenses`
    auto_scale: bool = True  # whether to search for the model's best scale, see `scale_search`
    confidence: bool = False  # whether to write each Gaussian's confidence into the scene file
    prune: bool = False  # whether to drop contradicted Gaussians, see `prune`
