"""A head is animated: its photos become tokens once, each expression becomes Gaussians, and these a frame of a film."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from jaxtyping import UInt8
from numpy import ndarray

from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.models.base import NeededPriors
from ilrm_cli.models.checkpoint import LoadedModel, load_model
from ilrm_cli.models.memory_plan import fit_to_memory
from ilrm_cli.pipeline.head import DEFAULT_FPS, Head, load_head, read_expressions
from ilrm_cli.pipeline.settings import AnimateSettings
from ilrm_cli.render.checks import check_video_output, existing_outputs
from ilrm_cli.render.rasterize import pixels_of, prepare, render, renderer_for
from ilrm_cli.render.video import encoded_size, write_video
from ilrm_cli.runtime.devices import resolve_device, resolve_precision
from ilrm_cli.runtime.errors import InputError, listed, meant
from ilrm_cli.runtime.progress import Report, Step, ignore


@dataclass(frozen=True)
class Animation:
    """The properties of a finished film of a head."""

    output: Path
    frames: int
    fps: float
    width: int  # px
    height: int  # px
    photos: tuple[str, ...]  # that the model was given
    camera: str  # name of the photo whose camera films
    gaussians: int
    kept: float  # share of the photos' pixels that became Gaussians
    model: str
    sha256: str  # of the weights
    device: str
    renderer: str
    timings_s: dict[str, float]  # "load", "prefix", "expressions", "render", "encode", "total"


def animate(
    head_file: Path,
    expression_file: Path,
    settings: AnimateSettings,
    *,
    output: Path,
    overwrite: bool = False,
    report: Report = ignore,
) -> Animation:
    """Film a head through a list of expressions, from the camera of one of its photos. Raises `InputError`."""
    start = time.perf_counter()
    check_video_output(output, overwrite)
    loaded, needed = _loaded(settings)
    network, least = loaded.model, needed.least_confidence
    head = load_head(head_file, network.capabilities, positions=settings.positions, features=settings.features)
    film = read_expressions(expression_file, needed.code)
    _refuse_inputs(output, head, expression_file)
    cameras, name = _camera(head, settings, output)
    device = next(network.parameters()).device
    drawn_by = renderer_for(device)
    prepare(drawn_by, report=report)
    views = head.views.to(device)
    assert views.priors is not None
    kept = views.priors.confidence > least
    if not kept.any():
        raise InputError(f"no pixel of {head_file} has a confidence above {least}.")
    fit_to_memory(network, views)
    seconds = {"load": time.perf_counter() - start, "prefix": 0.0, "expressions": 0.0, "render": 0.0}

    def frames() -> Iterator[UInt8[ndarray, "height width 3"]]:
        with torch.inference_mode():
            begun = time.perf_counter()
            animated = network.animated(views, least)
            seconds["prefix"] = time.perf_counter() - begun
            for number, code in enumerate(film.expressions, start=1):
                begun = time.perf_counter()
                scene = animated(torch.tensor(code, device=device))
                made = time.perf_counter()
                picture = pixels_of(render(scene, cameras.to(device)).color[0])
                seconds["expressions"] += made - begun
                seconds["render"] += time.perf_counter() - made
                report(Step("frames", number, len(film.expressions)))
                yield picture

    fps = settings.fps or film.fps or DEFAULT_FPS
    count = write_video(output, frames(), fps, overwrite=overwrite)
    total = time.perf_counter() - start
    return Animation(
        output=output,
        frames=count,
        fps=fps,
        width=cameras.width,
        height=cameras.height,
        photos=head.names,
        camera=name,
        gaussians=int(kept.sum()),
        kept=float(kept.double().mean()),
        model=loaded.name,
        sha256=loaded.sha256,
        device=device.type,
        renderer=drawn_by,
        timings_s={**seconds, "encode": total - sum(seconds.values()), "total": total},
    )


def _loaded(settings: AnimateSettings) -> tuple[LoadedModel, NeededPriors]:
    """Load the model onto its device; return it and what it needs. Raises InputError if it animates no heads."""
    device = resolve_device(settings.device)
    loaded = load_model(settings.model)
    network, needed = loaded.model, loaded.model.capabilities.priors
    if needed is None:
        raise InputError(
            f"--model {settings.model}: a model of the kind {network.architecture} animates no heads; train one that "
            "does: ilrm train RUN --preset tiny-avat3r."
        )
    network.to(device).precision = resolve_precision(settings.precision, device)
    return loaded, needed if settings.confidence is None else replace(needed, least_confidence=settings.confidence)


def _camera(head: Head, settings: AnimateSettings, output: Path) -> tuple[Cameras, str]:
    """Return the camera that films, at the film's size, and the name of its photo."""
    name = settings.camera or head.names[0]
    if name not in head.names:
        raise InputError(f"--at {name}: no photo of the head{meant(name, head.names)}; it has {listed(head.names)}.")
    own = head.views.cameras[[head.names.index(name)]]
    return own.resized(*encoded_size(output, *own.size_at(settings.long_side_px))), name


def _refuse_inputs(output: Path, head: Head, expression_file: Path) -> None:
    """Raise InputError if the film would replace what it is made from."""
    read = {*head.read, expression_file.resolve()}
    for path in existing_outputs(output):
        if path.resolve() in read:
            raise InputError(f"{path} is read as an input; choose another name for the output.")
