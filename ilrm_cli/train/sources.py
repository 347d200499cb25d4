"""Sources of samples: endless procedural scenes, or captures in folders. Content depends on numbers only."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from ilrm_cli.capture.photos.folder import open_folder
from ilrm_cli.data import re10k
from ilrm_cli.data.checks import CHUNK_SUFFIX, training_places
from ilrm_cli.data.folders import read_folder
from ilrm_cli.data.sequences import FrameSequence
from ilrm_cli.data.synthetic.alone import object_views
from ilrm_cli.data.synthetic.dataset import Shooting, training_scene
from ilrm_cli.data.synthetic.heads.config import PositionNoise
from ilrm_cli.data.synthetic.heads.shape import morphable_head
from ilrm_cli.data.synthetic.heads.views import cameras_before, drawn_code, photographed, with_priors
from ilrm_cli.data.synthetic.raycaster.raycast import CPU
from ilrm_cli.data.synthetic.sensor import draw_photometry, draw_pose_noise, draw_triangulation, triangulated
from ilrm_cli.geometry.cameras import Lens
from ilrm_cli.geometry.frames import ORBIT_RADIUS, Normalisation, frame_of_model
from ilrm_cli.geometry.transforms import Similarity
from ilrm_cli.geometry.views import Views
from ilrm_cli.models.layers.plane_sweep import depth_range_of
from ilrm_cli.pipeline.prepare import normalize, normalized_cameras, normalized_head
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.train.config import HEADS, OBJECTS, OF_HEADS, SYNTHETIC, TrainConfig
from ilrm_cli.train.samples import Sample, farthest_points, mirrored, pick_frames

WITHOUT_POINTS = 0.33  # share of samples without sparse points, as with poses from transforms.json
MIN_SPAN, SPAN_PER_VIEW = 0.2, 0.12  # share of a camera path that a sample covers: minimum, and maximum per input view
RAYS_PER_PIXEL = 4  # of the training images: fewer would alias as strongly as faint textures
MAX_FIELD_OF_VIEW_DEG = 100.0  # wider captures are skipped (paper)
CAMERAS_OFFERED = 16  # around a head, among which inputs and targets are chosen
MAX_DRAWS = 100  # sequences tried until one has enough frames


@dataclass(frozen=True)
class Request:
    """A sample requested by a training step."""

    seed: int
    index: int  # of the sample within the run: never repeated
    step: int
    views: int
    targets: int
    width: int  # px
    height: int  # px


@dataclass(frozen=True)
class Procedural:
    """Scenes of `ilrm_cli.data.synthetic`, with exact depth."""

    device: torch.device = CPU  # where rays are cast
    normalisation: Normalisation = "recentred"  # of the model's frame

    def draw(self, request: Request) -> Sample:
        """Draw scene `index` of the endless set `seed`; its views are shuffled before they are split."""
        rng = np.random.default_rng([request.seed, request.index, 1])
        total = request.views + request.targets
        span = rng.uniform(MIN_SPAN, min(1.0, max(2, request.views - 1) * SPAN_PER_VIEW + MIN_SPAN))
        shooting = Shooting(
            total, request.width, request.height, RAYS_PER_PIXEL, span,
            photometry=draw_photometry(rng), pose_noise=draw_pose_noise(rng),
        )  # fmt: skip
        scene = training_scene(request.seed, request.index, shooting, device=self.device)
        order = torch.from_numpy(rng.permutation(total))
        poses = scene.views.cameras.world_from_cam[order[: request.views]].double()
        to_normal = frame_of_model(poses, self.normalisation)
        views = Views(scene.views.images, normalized_cameras(scene.views.cameras, to_normal))
        inputs, held = views[order[: request.views]], views[order[request.views :]]
        depth = scene.depth[order[: request.views]] * to_normal.scale
        sparse_depth = triangulated(inputs.images, depth, draw_triangulation(rng), rng)
        depth_range = depth_range_of(sparse_depth[sparse_depth > 0])
        known = None if rng.random() < WITHOUT_POINTS else sparse_depth
        return Sample(replace(inputs, sparse_depth=known), held, depth, depth_range)


@dataclass(frozen=True)
class Alone:
    """Objects of `ilrm_cli.data.synthetic.alone`, with exact depth."""

    device: torch.device = CPU
    normalisation: Normalisation = "centred"

    def draw(self, request: Request) -> Sample:
        """Draw object `index` of the endless series `seed`; inputs are spread all around, targets between them."""
        rng = np.random.default_rng([request.seed, request.index, 5])
        total = request.views + request.targets
        made = object_views(request.seed, request.index, total, request.width, request.height, self.device)
        places = np.linspace(0, total, request.views, endpoint=False).astype(int)
        chosen = torch.from_numpy(rng.permutation(places))
        held = torch.from_numpy(rng.permutation(np.setdiff1d(np.arange(total), places)))
        to_normal = Similarity.identity()  # they are centred
        if self.normalisation != "centred":
            to_normal = frame_of_model(made.views.cameras.world_from_cam[chosen].double(), self.normalisation)
        views = replace(made.views, cameras=normalized_cameras(made.views.cameras, to_normal), empty=None)
        near, far = ((ORBIT_RADIUS + sign) * to_normal.scale for sign in (-1, 1))
        return Sample(views[chosen], views[held], made.depth[chosen] * to_normal.scale, (near, far))


@dataclass(frozen=True)
class Heads:
    """Morphable heads of `ilrm_cli.data.synthetic.heads`, with position maps and expressions."""

    mixed: bool = True  # whether each input has an expression of its own; else all share one
    noise: PositionNoise = field(default_factory=PositionNoise)
    normalisation: Normalisation = "centred"  # of the model's frame

    def draw(self, request: Request) -> Sample:
        """Draw person `index` of the endless series `seed`: inputs by farthest point sampling, targets of one code.

        The expression of the targets is none of the inputs'.
        """
        rng = np.random.default_rng([request.seed, request.index, 13])
        head = morphable_head(request.seed, request.index)
        offered = cameras_before(
            rng, max(CAMERAS_OFFERED, request.views + request.targets), request.width, request.height
        )
        chosen = farthest_points(offered.world_from_cam.double().numpy(), request.views, rng)
        held = rng.choice(np.setdiff1d(np.arange(len(offered)), chosen), request.targets, replace=False)
        wanted, *own = (drawn_code(rng) for _ in range(1 + request.views))
        shown = own if self.mixed else own[:1] * request.views
        inputs = photographed(head, offered[chosen], torch.stack(shown))
        targets = photographed(head, offered[held.tolist()], wanted.repeat(request.targets, 1))
        to_normal = frame_of_model(offered[chosen].world_from_cam.double(), self.normalisation)
        ready = normalized_head(with_priors(inputs, wanted, self.noise, rng), to_normal)
        held_out = replace(targets.views, empty=None, cameras=normalized_cameras(targets.views.cameras, to_normal))
        near, far = ((ORBIT_RADIUS + sign) * to_normal.scale for sign in (-1, 1))
        return Sample(ready, held_out, None, (near, far))


@dataclass(frozen=True)
class Captured:
    """Frames of real captures."""

    places: tuple[Path, ...]  # folders with cameras, or chunks of RE10K
    config: TrainConfig
    normalisation: Normalisation = "recentred"  # of the model's frame

    def draw(self, request: Request) -> Sample:
        """Draw a place, a sequence and frames at random; raise InputError if hardly any sequence has enough frames."""
        rng = np.random.default_rng([request.seed, request.index, 3])
        total = request.views + request.targets
        for _ in range(MAX_DRAWS):
            sequences = sequences_at(self.places[int(rng.integers(len(self.places)))])
            sequence = sequences[int(rng.integers(len(sequences)))]
            if len(sequence) >= total and field_of_view_deg(sequence.lenses[0]) <= MAX_FIELD_OF_VIEW_DEG:
                return self._sample(sequence, request, rng)
        raise InputError(
            f"--data: hardly any capture has the {total} frames of one sample and a lens below "
            f"{MAX_FIELD_OF_VIEW_DEG:.0f} degrees; ask for fewer --views or give other captures."
        )

    def _sample(self, sequence: FrameSequence, request: Request, rng: np.random.Generator) -> Sample:
        chosen, held = pick_frames(
            self.config.frames, sequence.world_from_cam, request.views, request.targets, request.step, rng
        )
        loaded = sequence.views([*chosen, *held], request.width, request.height)
        poses = sequence.world_from_cam[chosen]
        ready = normalize(poses, loaded[: request.views], loaded[request.views :], sequence.points, self.normalisation)
        assert ready.targets is not None
        inputs, targets = (  # all pixels are learned from
            replace(views, masks=None, empty=None, quarter_turns=None) for views in (ready.inputs, ready.targets)
        )
        sample = Sample(inputs, targets, None, ready.depth_range)
        return mirrored(sample) if rng.random() < self.config.flip else sample


Source = Procedural | Alone | Heads | Captured  # gives the same sample for the same request, from any thread


@lru_cache(maxsize=256)
def sequences_at(place: Path) -> list[FrameSequence]:
    """Return the clips of a chunk (their images stay on disk) or the one capture of a folder."""
    return list(re10k.read_chunk(place)) if place.suffix == CHUNK_SUFFIX else [read_folder(open_folder(place))]


def field_of_view_deg(lens: Lens) -> float:
    """Return the field of view of the wider side, without distortion; COLMAP's first parameter is a focal length."""
    return math.degrees(2 * math.atan(max(lens.width, lens.height) / (2 * lens.params[0])))


def check_sources(names: Sequence[str], heads: bool) -> None:
    """Raise InputError for data that a model cannot learn from: one that animates `heads` learns from these alone."""
    for name in names:
        if heads and name not in OF_HEADS:
            raise InputError(f"--data {name}: this model animates heads; train it on {' or '.join(OF_HEADS)}.")
        if not heads and name in OF_HEADS:
            raise InputError(f"--data {name}: this model animates no heads; train one: --preset tiny-avat3r.")


def open_source(
    name: str, config: TrainConfig, device: torch.device = CPU, normalisation: Normalisation = "recentred"
) -> Source:
    """Open a procedural source, a folder of RE10K chunks, or a folder with posed captures at or below it.

    Samples are in the frame that a model of this normalisation sees. Raises InputError.

    Procedural scenes are made on `device`; CUDA needs the extra `ilrm[cuda]`.
    """
    if name == SYNTHETIC:
        return Procedural(device, normalisation)
    if name == OBJECTS:
        return Alone(device, normalisation)
    if name in OF_HEADS:
        return Heads(mixed=name == HEADS, normalisation=normalisation)
    return Captured(tuple(training_places(Path(name))), config, normalisation)
