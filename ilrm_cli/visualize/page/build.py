"""A scene as a page: one HTML file with a viewer, the scene and the input cameras, for any browser."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from ilrm_cli.render.paths.auto import candidates
from ilrm_cli.render.paths.by_name import setting_of
from ilrm_cli.render.paths.subject import focus_depths
from ilrm_cli.render.paths.tours import there_and_back
from ilrm_cli.render.probes import contributions
from ilrm_cli.render.rasterize import prepare, renderer_for
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.runtime.files import atomic_write, scratch_folder
from ilrm_cli.runtime.progress import Report, Step, ignore
from ilrm_cli.scene.checks import check_conversion, record_path
from ilrm_cli.scene.convert import Converted, compared, size_of
from ilrm_cli.scene.files import decode_scene, encode_scene
from ilrm_cli.scene.formats.scene_file import SceneFile
from ilrm_cli.scene.opened import ShownScene, read_shown_scene
from ilrm_cli.visualize.page.html import Stop, encode_html
from ilrm_cli.visualize.page.poses import level, poses_of

CONTENT = ".sog"  # format of the scene inside the page
MB = 1_000_000  # bytes
SMALLER = 0.99  # maximum ratio of Gaussians in the next try if a page is too large


@dataclass(frozen=True)
class Shared(Converted):
    """The result of sharing. The PSNR is that of the page's input views against the whole scene."""

    left_out: int  # Gaussians that contribute least to the input views, dropped for the requested size


@dataclass(frozen=True)
class Page:
    """A page and its source."""

    html: bytes
    content: bytes  # the scene inside it, as a file of format CONTENT
    shown: ShownScene  # the whole scene, rotated as inside the page


def share(
    scene: Path,
    output: Path,
    *,
    max_mb: float | None = None,
    overwrite: bool = False,
    device: torch.device | str = "cpu",
    report: Report = ignore,
) -> Shared:
    """Write the page made by `page_of` and compare its content with the whole scene. Raises `InputError`."""
    start = time.perf_counter()
    check_conversion(scene, output, overwrite)
    page = page_of(scene, max_mb=max_mb, device=device, report=report)
    prepare(renderer_for(device), report=report)
    shown, held = page.shown, _read_back(page.content).gaussians
    psnr_db = compared(shown.file.gaussians.to(device), held.to(device), shown, report)
    left_out = len(shown.file.gaussians) - len(held)
    note = (
        f"{left_out:,} of {left_out + len(held):,} Gaussians, those that add least to the input views, were left out "
        f"to stay within {max_mb} MB; the page shows these views with {psnr_db:.1f} dB PSNR against the whole scene."
    )
    atomic_write(output, page.html)
    return Shared(
        output=output,
        gaussians=len(held),
        input_bytes=size_of(scene),
        output_bytes=len(page.html),
        psnr_db=psnr_db,
        views=len(shown.cameras),
        seconds=time.perf_counter() - start,
        warnings=(*shown.warnings, *([note] if left_out else [])),
        left_out=left_out,
    )


def page_of(
    scene: Path, *, max_mb: float | None = None, device: torch.device | str = "cpu", report: Report = ignore
) -> Page:
    """Make the page of a scene file, of at most `max_mb` million bytes.

    If the scene is too large, the Gaussians that contribute least to the input views are dropped; `device` renders
    these views. Raises `InputError`.
    """
    shown = _leveled(read_shown_scene(scene))
    write = _writer(shown, record_path(scene).stem)
    report(Step("page", 0, 1))
    content = encode_scene(shown.file, CONTENT)
    html = write(content)
    if max_mb is not None and len(html) > max_mb * MB:
        prepare(renderer_for(device), gradients=True, report=report)
        weights = contributions(shown.file.gaussians.to(device), shown.cameras, near=shown.near, report=report).cpu()
        content, html = _fitted(shown.file, weights, write, int(max_mb * MB), len(html))
    report(Step("page", 1, 1))
    return Page(html, content, shown)


def _leveled(shown: ShownScene) -> ShownScene:
    """Rotate the scene so that up is -y, as the page requires; of the file only the Gaussians are kept."""
    turn = level(shown.up)
    file = SceneFile(shown.file.gaussians.transformed(turn))
    cameras = shown.cameras.moved(turn.poses(shown.cameras.world_from_cam))
    target = None if shown.target is None else turn.points(shown.target)
    return replace(shown, file=file, cameras=cameras, recorded_up=turn.points(shown.up), target=target)


def _writer(shown: ShownScene, title: str) -> Callable[[bytes], bytes]:
    """Return a function that turns an encoded scene into its page."""
    gaussians, cameras = shown.file.gaussians, shown.cameras
    setting = setting_of(cameras, gaussians, shown.up, target=shown.target)
    orbits = candidates(setting) != ("interpolate",)  # which a film follows where cameras moved through the scene
    poses = poses_of(cameras, focus_depths(cameras, gaussians, setting.subject))
    way = there_and_back(cameras, setting.subject.depth)
    stops = [Stop(name, pose) for name, pose in zip(shown.names, poses, strict=True)] if shown.names else []

    def write(content: bytes) -> bytes:
        return encode_html(
            content,
            CONTENT,
            title=title,
            start=poses[way[0]],
            stops=stops,
            tour=way if stops else (),
            orbits=orbits,
            background=shown.background,
            antialiased=gaussians.antialiased,
        )

    return write


def _fitted(
    file: SceneFile, weights: Float[Tensor, " gaussian"], write: Callable[[bytes], bytes], budget: int, whole: int
) -> tuple[bytes, bytes]:
    """Return content and page of at most `budget` bytes, with the most contributing Gaussians; `whole` is too large."""
    ranked = weights.argsort(descending=True, stable=True)
    least = len(write(encode_scene(file[ranked[:1]], CONTENT)))
    if least > budget:
        raise InputError(
            f"--max-mb {budget / MB:g} is too small: a page takes {least / MB:.1f} MB before there is anything to see."
        )
    count, size = len(ranked), whole
    while size > budget:
        count = max(1, int(min(SMALLER, (budget - least) / (size - least)) * count))
        content = encode_scene(file[ranked[:count].sort().values], CONTENT)
        html = write(content)
        size = len(html)
    return content, html


def _read_back(content: bytes) -> SceneFile:
    with scratch_folder() as folder:
        path = folder / f"scene{CONTENT}"
        path.write_bytes(content)
        return decode_scene(path)
