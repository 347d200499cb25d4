"""The scenes in `sample_scenes/`; `python -m ilrm_cli.data.synthetic.sample_scenes NEW_FOLDER` makes them again."""

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ilrm_cli.data.synthetic.colmap_folder import write_scene
from ilrm_cli.data.synthetic.dataset import expose
from ilrm_cli.data.synthetic.raycaster.raycast import render_scene
from ilrm_cli.data.synthetic.raycaster.scene import Scene
from ilrm_cli.data.synthetic.scenes.by_number import make_scene
from ilrm_cli.data.synthetic.trajectories import draw_cameras
from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.geometry.views import Views

WIDTH, HEIGHT = 480, 320  # px
SAMPLES_PER_PIXEL = 16
SEED = 7


@dataclass(frozen=True)
class Sample:
    """A procedural scene and the camera path it is photographed from."""

    kind: str  # one of scenes.KINDS
    index: int  # of the scene within SEED
    shot: str  # one of trajectories.SHOTS
    path: int  # number of the random path of that shot
    views: int
    posed: bool  # with a COLMAP model; otherwise photos alone


SAMPLES = {
    "photos": Sample("table_top", 36, "sweep", 0, 10, posed=False),
    "posed": Sample("room", 33, "sweep", 0, 12, posed=True),
}


def sample_cameras(sample: Sample) -> tuple[Scene, Cameras]:
    """Return the scene, exposed, and its cameras in the order of the photos' names."""
    scene = make_scene(SEED, sample.index, kind=sample.kind)
    rng = np.random.default_rng([SEED, sample.index, sample.path])
    cameras = draw_cameras(scene, rng, sample.views, WIDTH, HEIGHT, sample.shot)
    assert cameras is not None, f"no {sample.shot} fits {sample.kind} {sample.index}"
    return expose(scene, cameras, rng), cameras


def write_samples(folder: Path) -> None:
    """Write every sample scene into a folder of its name; raise InputError if one exists."""
    for name, sample in SAMPLES.items():
        scene, cameras = sample_cameras(sample)
        images, depth = render_scene(scene, cameras, SAMPLES_PER_PIXEL)
        write_scene(folder / name, Views(images, cameras), depth if sample.posed else None)


if __name__ == "__main__":
    write_samples(Path(sys.argv[1]))
