"""Cost estimate of a pass before the long work begins, from settings and photo headers."""

import math
from collections.abc import Sequence

from ilrm_cli.capture.photos.folder import ProjectFolder
from ilrm_cli.capture.photos.header import photo_size
from ilrm_cli.capture.poses.undistort import common_size_of
from ilrm_cli.models.base import Capabilities, Pass
from ilrm_cli.models.checkpoint import blueprint_of
from ilrm_cli.models.memory_plan import check_fits
from ilrm_cli.pipeline.select_inputs import default_views, most_auto_views
from ilrm_cli.pipeline.settings import DEFAULT_VIEWS, Settings
from ilrm_cli.runtime.devices import resolve_device, resolve_precision
from ilrm_cli.runtime.errors import InputError

USUAL_SHAPE = (4, 3)  # width to height, if no photo is known
LONG_FLOPS = 1e12  # of a pass: most of a minute for two CPU cores, with what is no matrix product


def foreseen(folder: ProjectFolder, settings: Settings) -> tuple[str, ...]:
    """Return a warning if the pass will be long for a CPU, compared with a usual one.

    The most frequent photo shape is assumed for the views and, if their number is left to us, the minimum that is
    chosen if poses are found for all, so that short passes are never called long.

    Raises InputError if `settings.views` cannot fit into memory, whichever poses are found: not even in the shape with
    the fewest pixels, since the views get the most frequent shape among the chosen photos. Nothing is known beforehand
    about checkpoints without a separate configuration.
    """
    model = blueprint_of(settings.model)
    if model is None:
        return ()
    can, sizes = model.capabilities, _sizes(folder)
    if settings.views is not None and sizes:
        check_fits(model, _smallest_pass(can, settings, settings.views, sizes))
    width, height = _model_size(can, settings, sizes or [USUAL_SHAPE])
    offered = len(sizes) or settings.max_frames
    views = settings.views or default_views(can, offered)
    flops = model.cost(Pass(views, height, width)).flops
    if resolve_device(settings.device).type != "cpu" or flops < LONG_FLOPS:
        return ()
    usual_flops, usual_size = _usual_pass()
    times = flops / usual_flops
    least = "at least " if settings.views is None and most_auto_views(can, offered) > views else ""
    return (
        f"a pass over {least}{views} views of {width}x{height} px has {least}{times:.0f} times the operations of the "
        f"default model with {DEFAULT_VIEWS} views of {usual_size[0]}x{usual_size[1]} px and takes a CPU about that "
        "many times longer; fewer --views or a smaller --size take less.",
    )


def _usual_pass() -> tuple[float, tuple[int, int]]:
    """Return operations and (width, height) in px of the default model's usual pass."""
    usual = blueprint_of("default")
    assert usual is not None, "it ships with its configuration"
    width, height = common_size_of([USUAL_SHAPE], usual.capabilities.long_side_px, usual.capabilities.size_multiple)
    return usual.cost(Pass(DEFAULT_VIEWS, height, width)).flops, (width, height)


def _smallest_pass(can: Capabilities, settings: Settings, views: int, sizes: Sequence[tuple[int, int]]) -> Pass:
    """Return the pass over `views` views in the photo shape with the fewest pixels."""
    place = resolve_device(settings.device)
    width, height = min({_model_size(can, settings, [size]) for size in set(sizes)}, key=math.prod)
    return Pass(views, height, width, resolve_precision(settings.precision, place), place.type)


def _model_size(can: Capabilities, settings: Settings, sizes: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """Return (width, height) in px of views of such photos, as the model sees them."""
    return common_size_of(sizes, settings.long_side_px or can.long_side_px, can.size_multiple)


def _sizes(folder: ProjectFolder) -> Sequence[tuple[int, int]]:
    """Return (width, height) of a folder's photos with readable headers; nothing for videos."""
    sizes = []
    for path in folder.photos:
        try:
            sizes.append(photo_size(path))
        except InputError:  # left out, with its reason, by later stages
            continue
    return sizes
