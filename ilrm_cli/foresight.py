"""What can be said of a pass before the long work begins: from the settings, and the headers of photos."""

from collections.abc import Sequence
from pathlib import Path

from ilrm_cli.devices import Device, Precision, resolve_device, resolve_precision
from ilrm_cli.errors import InputError
from ilrm_cli.io.photo_files import find_photos, photo_folder
from ilrm_cli.io.photo_header import photo_size
from ilrm_cli.memory import check_fits
from ilrm_cli.model.checkpoint import config_beside
from ilrm_cli.model.config import IlrmConfig
from ilrm_cli.model.flops import forward_stages, total_flops
from ilrm_cli.model.footprint import Workload
from ilrm_cli.pose.fit import common_size_of
from ilrm_cli.preparation import DEFAULT_VIEWS, default_views

USUAL_SHAPE = (4, 3)  # width to height, where no photo tells it
LONG_FLOPS = 5e12  # of a pass: the better part of a minute for two cores of a CPU, at some 0.1 TFLOP/s
HEADERS_READ = MANY_PHOTOS = 100  # of photos, at most: the shape of most is asked for


def foreseen(
    photos: Path, model: str, views: int | None, long_side_px: int | None, device: Device, precision: Precision
) -> tuple[str, ...]:
    """A sentence if the pass will be long for a CPU, beside what usual ones take.

    Raises InputError if `views` are given and the pass of so many cannot fit into memory, whatever is found of poses.
    Nothing is known beforehand of checkpoints that do not tell their configuration.
    """
    config = config_beside(model)
    if config is None:
        return ()
    place = resolve_device(device)
    sizes = _sizes(photos)
    side = long_side_px or config.long_side_px
    width, height = common_size_of(sizes or [USUAL_SHAPE], side, config.size_multiple)
    if views is not None and sizes:
        check_fits(Workload(config, views, height, width, resolve_precision(precision, place), place.type))
    count = views or default_views(config, len(sizes) or MANY_PHOTOS)
    flops = _flops(config, count, width, height)
    if place.type != "cpu" or flops < LONG_FLOPS:
        return ()
    usual = config_beside("default")
    assert usual is not None, "it ships with its configuration"
    usual_size = common_size_of([USUAL_SHAPE], usual.long_side_px, usual.size_multiple)
    times = flops / _flops(usual, DEFAULT_VIEWS, *usual_size)
    return (
        f"a pass over {count} views of {width}x{height} px has {times:.0f} times the operations of the default model "
        f"with {DEFAULT_VIEWS} views of {usual_size[0]}x{usual_size[1]} px and takes a CPU about so many times longer; "
        "fewer --views or a smaller --size take less.",
    )


def _flops(config: IlrmConfig, views: int, width: int, height: int) -> float:
    return total_flops(forward_stages(config, views, height, width))


def _sizes(place: Path) -> Sequence[tuple[int, int]]:
    """(width, height) of photos in a folder, as far as their headers tell; nothing of videos."""
    sizes = []
    for path in find_photos(photo_folder(place))[:HEADERS_READ] if place.is_dir() else ():
        try:
            sizes.append(photo_size(path))
        except InputError:  # left out, with its reason, by those who read it
            continue
    return sizes
