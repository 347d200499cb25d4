"""The contract of models: what the rest may know of one, whatever its network.

A weights file names its architecture. With the configuration beside it that makes a `Blueprint`, which tells what the
model can do (`Capabilities`) and what a pass costs (`Cost`) before any weight is read, and builds the `Network`. The
pipeline, the evaluation, the memory planner and the pose card know models by these alone: a new one is a folder of its
own, and a line in `registry.ARCHITECTURES`.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

import torch
from jaxtyping import Float, UInt8
from numpy import ndarray
from torch import Tensor, nn

from ilrm_cli.geometry.fields import Field
from ilrm_cli.geometry.frames import Normalisation
from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.geometry.views import TrainingRange, Views
from ilrm_cli.models.layers.passes import WHOLE, AttentionClock, Chunks
from ilrm_cli.render.surface import discs, surface_of
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.runtime.progress import Report, ignore

# Called with the tokens before the first layer and after each, and what gives the Gaussians of each scene there.
Tap = Callable[[Tensor, Callable[[], list[Gaussians]]], None]


# Called with an expression; gives the head's Gaussians.
Animated = Callable[[Float[Tensor, " code"]], Gaussians]


@dataclass(frozen=True)
class NeededPriors:
    """What models of heads are given besides photos, see `views.Priors`."""

    code: int  # numbers of an expression
    features: int  # channels of the dense features of each photo; 0: none
    least_confidence: float  # of a position, above which its pixel becomes a Gaussian


@dataclass(frozen=True)
class Capabilities:
    """The views that a model takes and the Gaussians that it gives."""

    trained_on: TrainingRange
    long_side_px: int  # of the images that the weights were trained for
    size_multiple: int  # px of which both image sides must be multiples
    normalisation: Normalisation = "recentred"  # of the frame that it sees, see `frames.frame_of_model`
    # One Gaussian per pixel of all views reduced by this factor, in (view, row, column) order. None: in no such order,
    # so that masked pixels cannot be told from others.
    grid_factor: int | None = None
    cleaned: bool = False  # whether Gaussians that other views see through are left out; needs a grid
    backdrop: bool = False  # whether a sphere of mean colours is placed behind the Gaussians
    sweeps: bool = False  # whether the plane sweep's kernels are needed
    draws: bool = False  # whether a pass draws scenes and needs gradients of that
    traced_layers: int = 0  # layers after which a `Tap` is called; 0: the model cannot be traced
    priors: NeededPriors | None = None  # that are needed; None: none are. Only heads have them, see `Network.animated`
    needs_poses: bool = True  # False: one photo of an object, from a camera that the model assumes
    # "field": a radiance field, see `Network.fields`; the Gaussians are sampled from its surface.
    output: Literal["gaussians", "field"] = "gaussians"

    @property
    def frame(self) -> Normalisation:
        """The frame of captures and training: the translations as given count only in the published evaluation."""
        return "recentred" if self.normalisation == "raw" else self.normalisation

    @property
    def needs_priors(self) -> bool:
        return self.priors is not None

    @property
    def min_views(self) -> int:
        return self.trained_on.views[0]

    @property
    def max_views(self) -> int:
        return self.trained_on.views[1]


@dataclass(frozen=True)
class Pass:
    """The size of a forward pass over one scene."""

    views: int
    height: int  # px
    width: int  # px
    precision: torch.dtype = torch.float32  # of the matrix products
    device: str = "cpu"  # device type


@dataclass(frozen=True)
class Piecewise:
    """A pass done in chunks: the peak of what it holds besides weights and images."""

    chunks: Chunks
    work_bytes: int
    stage: str  # of the peak


@dataclass(frozen=True)
class Cost:
    """What a pass takes."""

    flops: float  # floating-point operations
    weights_bytes: int
    inputs_bytes: int  # the images
    ways: tuple[Piecewise, ...]  # from the usual chunks to the smallest; those that give the same numbers, at best


@runtime_checkable
class Priced(Protocol):
    """What tells its capabilities and the cost of its passes: a `Blueprint` or a `Network`."""

    @property
    def capabilities(self) -> Capabilities: ...

    def cost(self, asked: Pass) -> Cost: ...


class Network(nn.Module, ABC):
    """A network that predicts Gaussians from posed views."""

    architecture: ClassVar[str]  # its name in `registry.ARCHITECTURES`
    config: Any  # a frozen dataclass of JSON values, with which the architecture builds the network anew
    precision: torch.dtype  # of the matrix products
    # How it is trained; networks for which one means nothing leave it alone.
    checkpointing: bool = False  # recompute each block in the backward pass: less memory, more time
    read_every: int = 1  # k of mini-batch cross attention; see `blocks.MiniBatch`
    read_turn: int = 0  # turn of the first layer: the caller advances it, step by step

    @property
    @abstractmethod
    def capabilities(self) -> Capabilities: ...

    @abstractmethod
    def cost(self, asked: Pass) -> Cost: ...

    @abstractmethod
    def forward(
        self,
        scenes: Sequence[Views],
        depth_ranges: Sequence[tuple[float, float]] | None = None,
        clock: AttentionClock | None = None,
        report: Report = ignore,
        tap: Tap | None = None,
        chunks: Chunks = WHOLE,
    ) -> list[Gaussians]:
        """Predict the Gaussians of each scene, in the frame of its cameras (see `frames.normalisation_of`).

        Scenes of one call have the same number and size of views, sides multiples of `size_multiple`. `depth_ranges`
        are (near, far), z in the units of the cameras. `clock` is told of attention stages, `tap` of tokens, where the
        network has any. `chunks` hold without gradients only. Raises no InputError: callers prepare the views.
        """

    def products(self, device: torch.device) -> AbstractContextManager:
        """Return a context in which matrix products have the chosen precision."""
        if device.type == "meta":  # to count operations
            return nullcontext()
        return torch.autocast(device.type, self.precision, enabled=self.precision != torch.float32)

    def fields(
        self,
        scenes: Sequence[Views],
        report: Report = ignore,
        depth_ranges: Sequence[tuple[float, float]] | None = None,
    ) -> list[Field]:
        """Return the field of each scene, in the frame of its cameras, if `Capabilities.output` says that it is one.

        `depth_ranges` are those of `forward`.
        """
        raise InputError("this model predicts Gaussians and no field.")

    def view_of(self, cut_out: UInt8[ndarray, "height width 4"]) -> Views:
        """Return an object's view, and the camera it is taken to be from, if a model needs no poses.

        Raises InputError if nothing is left of the photo.
        """
        raise InputError("this model needs photos with camera poses.")

    def animated(self, scene: Views, least_confidence: float | None = None, report: Report = ignore) -> Animated:
        """Return what gives a head's Gaussians with any expression; what all of them share is computed now.

        `least_confidence` is as in `NeededPriors`, by default the model's own. Only for models that need priors.
        """
        raise InputError("this model animates no heads.")

    def compile_layers(self, report: Report = ignore) -> None:
        """Compile the layers in place. Raises InputError if the network has none that can be, or no compiler works."""
        raise InputError("this model has no layers that can be compiled; leave --compile out.")


class FieldNetwork(Network):
    """A network whose scenes are fields."""

    @abstractmethod
    def fields(
        self,
        scenes: Sequence[Views],
        report: Report = ignore,
        depth_ranges: Sequence[tuple[float, float]] | None = None,
    ) -> list[Field]: ...

    def forward(
        self,
        scenes: Sequence[Views],
        depth_ranges: Sequence[tuple[float, float]] | None = None,
        clock: AttentionClock | None = None,
        report: Report = ignore,
        tap: Tap | None = None,
        chunks: Chunks = WHOLE,
    ) -> list[Gaussians]:
        """Sample Gaussians from the surface of each field."""
        return [discs(surface_of(field, report=report)) for field in self.fields(scenes, report, depth_ranges)]


@dataclass(frozen=True)
class Architecture:
    """A family of networks that differ in their configuration."""

    name: str
    config: type  # a frozen dataclass, see `Network.config`
    required: tuple[str, ...]  # its fields that a sidecar must state; others have defaults, for files of older versions
    capabilities: Callable[[Any], Capabilities]
    cost: Callable[[Any, Pass], Cost]
    build: Callable[[Any], Network]  # on torch's default device; TypeError, ValueError... for what makes no network
    # Configuration and tensors, under our names, of the format in which its authors published weights.
    load_published: Callable[[Path], tuple[Any, dict[str, Tensor]]] | None = None
    recognises: Callable[[frozenset[str]], bool] | None = None  # whether tensors of these names are of that format
    # The field of some `Field.parts`, or ValueError, RuntimeError, LookupError; None: its scenes are Gaussians.
    field_of: Callable[[Any, Mapping[str, Tensor]], Field] | None = None


@dataclass(frozen=True)
class Blueprint:
    """One network of an architecture, without its weights."""

    architecture: Architecture
    config: Any

    @property
    def capabilities(self) -> Capabilities:
        return self.architecture.capabilities(self.config)

    def cost(self, asked: Pass) -> Cost:
        """Return what a pass takes."""
        return self.architecture.cost(self.config, asked)

    def build(self) -> Network:
        """Build the network, with random weights, on torch's default device."""
        return self.architecture.build(self.config)
