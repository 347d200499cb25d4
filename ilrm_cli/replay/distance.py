"""Distance between two versions of a scene, in numbers and in pictures."""

from dataclasses import dataclass

from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.scene.convert import compared, sight_of
from ilrm_cli.scene.record import SceneRecord


@dataclass(frozen=True)
class Distance:
    """The distance from the recorded scene to the reproduced one."""

    gaussians: tuple[int, int]  # recorded, made again
    farthest_mean: float | None  # largest distance between two means of the same index, in the scene's units
    psnr: float | None  # dB between the two from the input cameras, mean; None: no camera is recorded


def distance(recorded: Gaussians, again: Gaussians, record: SceneRecord) -> Distance:
    """Compare both on the CPU, in the frame of the record. `farthest_mean` is None if their counts differ."""
    seen = any(view.role == "input" for view in record.views)
    quality = compared(recorded, again, sight_of(record)) if seen else None
    same = len(recorded) == len(again)
    apart = float((recorded.means - again.means).norm(dim=1).max()) if same else None
    return Distance((len(recorded), len(again)), apart, quality)
