"""What stages take, opened from the place that a test has made."""

from pathlib import Path

from ilrm_cli.capture.load import gather
from ilrm_cli.capture.photos.folder import PoseSettings, PoseSource, VideoChoice, open_folder
from ilrm_cli.geometry.views import Capture


def gathered(place: Path, poses: PoseSource = "auto", *, video: VideoChoice = VideoChoice()) -> Capture:
    """Open the place and gather its photos."""
    return gather(open_folder(place), PoseSettings(poses, fps=video.fps, max_frames=video.max_frames))
