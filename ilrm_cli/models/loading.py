"""A model made ready for any number of scenes: loaded, on its device, and with all that it needs compiled."""

import time
from contextlib import nullcontext

from ilrm_cli.models.checkpoint import LoadedModel, load_model
from ilrm_cli.models.layers.plane_sweep import prepare_sweep, sweep_compiled_beside
from ilrm_cli.render.rasterize import prepare, renderer_for
from ilrm_cli.runtime.devices import Device, Precision, resolve_device, resolve_precision
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.runtime.progress import Report, Stage, Stopwatch, ignore


def ready_model(
    model: str,
    device: Device,
    precision: Precision,
    *,
    compiled: bool,
    gradients: bool,
    sweeps: bool = False,
    report: Report = ignore,
    watch: Stopwatch | None = None,
) -> LoadedModel:
    """Load the model of that name or file, with layers `compiled` on request, and compile the kernels it needs.

    These are the renderer's, with `gradients` if scenes are refined or the model draws, and the plane sweep's, if the
    model needs it or if `sweeps` is set. `watch` receives the time to "load" and, if anything was not yet compiled, to
    "compile". Raises InputError for a model or device that cannot be used.
    """
    start, place = time.perf_counter(), resolve_device(device)
    loaded = load_model(model)
    if loaded.model.capabilities.needs_priors:
        raise InputError(
            f"the model {loaded.name} animates heads, from their position maps and expressions: see ilrm animate."
        )
    loaded.model.to(place).precision = resolve_precision(precision, place)
    at_hand = time.perf_counter()
    can = loaded.model.capabilities
    sweeps, gradients = sweeps or can.sweeps, gradients or can.draws
    with sweep_compiled_beside(place) if sweeps else nullcontext():
        compiling = prepare(renderer_for(place), gradients=gradients, report=report)
        if compiled:
            loaded.model.compile_layers(report)
    if sweeps:
        compiling = prepare_sweep(place, report) or compiling
    if watch is not None:
        watch.add(Stage.LOAD, at_hand - start)
        watch.add(Stage.COMPILE if compiling or compiled else Stage.LOAD, time.perf_counter() - at_hand)
    return loaded
