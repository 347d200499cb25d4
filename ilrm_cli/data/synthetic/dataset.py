"""An endless series of training scenes, addressed by number."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ilrm_cli.data.synthetic.raycaster.normals import normals_of
from ilrm_cli.data.synthetic.raycaster.raycast import CPU, render_scene, render_scenes
from ilrm_cli.data.synthetic.raycaster.scene import Scene
from ilrm_cli.data.synthetic.scenes.by_number import make_scene
from ilrm_cli.data.synthetic.sensor import Photometry, PoseNoise, disturb, shaken
from ilrm_cli.data.synthetic.trajectories import draw_cameras
from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.geometry.views import Views

HOLDOUT_SEED = 1_000_003  # scenes of this seed are reserved for evaluation: training refuses it
PATHS_PER_SCENE = 4  # camera paths tried in a scene before it is replaced by another
METERED, METER_PX = 4, 16  # number and size of the pictures from which exposure is set
MEAN_LINEAR = 0.24  # mean linear brightness of a typical photo


@dataclass(frozen=True)
class Shooting:
    """How procedural scenes are photographed, by cameras that follow a path."""

    views: int
    width: int  # px
    height: int  # px
    samples: int = 4  # rays per pixel
    span: float = 1.0  # share of the path that the views cover, in (0, 1]: the smaller, the more they overlap
    kind: str | None = None  # of the scenes, one of `by_number.KINDS`; None draws them
    normals: bool = False  # whether to return them
    photometry: Photometry | None = None  # None: no photometric disturbance
    pose_noise: PoseNoise | None = None  # None: exact poses


@dataclass(frozen=True)
class TrainingScene:
    """Rendered views of one procedural scene, in the order of the camera path, with exact depth."""

    views: Views  # with the cameras given to a model
    depth: Float[Tensor, "view height width"]  # z-depth at pixel centres, world units
    kind: str  # one of `by_number.KINDS`
    true_cameras: Cameras  # of the pictures; same as views.cameras without pose noise
    normals: Float[Tensor, "view 3 height width"] | None = None  # unit, world axes, 0 for the sky; if requested


def expose(scene: Scene, cameras: Cameras, rng: np.random.Generator) -> Scene:
    """Return the scene with the exposure a camera would choose: a typical photo's mean brightness, with variation."""
    few = cameras[:: max(1, len(cameras) // METERED)].resized(METER_PX, METER_PX)
    images, _ = render_scene(scene, few, samples=1)
    linear = float((images**2.2).mean())
    wanted = float(np.clip(math.exp(rng.normal(math.log(MEAN_LINEAR), 0.35)), 0.07, 0.45))
    gain = np.clip(wanted / max(linear, 1e-3), 0.3, 5.0)
    return replace(scene, surround=scene.surround._replace(exposure=np.array([gain], np.float32)))


def plan_scene(seed: int, index: int, shooting: Shooting) -> tuple[Scene, Cameras, np.random.Generator]:
    """Return scene `index` of the endless series `seed`, exposed, its cameras, and a generator for further draws."""
    views = shooting.views
    along_path = math.ceil(views / shooting.span)
    for attempt in range(100):
        scene = make_scene(seed, index, attempt, shooting.kind)
        rng = np.random.default_rng([seed, index, attempt, 1])
        for _ in range(PATHS_PER_SCENE):
            cameras = draw_cameras(scene, rng, along_path, shooting.width, shooting.height)
            if cameras is not None:
                first = int(rng.integers(along_path - views + 1)) if shooting.span < 1 else 0
                cameras = cameras[first : first + views]
                return expose(scene, cameras, rng), cameras, rng
    raise AssertionError(f"no camera path fits scene {index} of seed {seed}")


def training_scenes(
    seed: int, indices: Sequence[int], shooting: Shooting, *, threads: int = 1, device: torch.device = CPU
) -> list[TrainingScene]:
    """Make one `training_scene` per index; on CUDA all are cast in one launch."""
    plans = [plan_scene(seed, index, shooting) for index in indices]
    drawn = render_scenes([(scene, cameras) for scene, cameras, _ in plans], shooting.samples, threads, device)
    made = []
    for (scene, cameras, rng), (images, depth) in zip(plans, drawn, strict=True):
        given = cameras
        if shooting.photometry is not None:
            images = disturb(images, shooting.photometry, rng)
        if shooting.pose_noise is not None:
            given = shaken(cameras, shooting.pose_noise, float(depth.median()), rng)
        facing = normals_of(scene, cameras).to(device) if shooting.normals else None
        made.append(TrainingScene(Views(images, given), depth, scene.kind, cameras, facing))
    return made


def training_scene(
    seed: int, index: int, shooting: Shooting, *, threads: int = 1, device: torch.device = CPU
) -> TrainingScene:
    """Make scene `index` of the endless series `seed`, bit-identical for any number of threads.

    Images and depth are on `device`, cameras on the CPU; CUDA gives the same scene and cameras, and the same pictures
    up to rounding. Raises InputError if CUDA is requested without the extra `ilrm[cuda]`.
    """
    return training_scenes(seed, [index], shooting, threads=threads, device=device)[0]
