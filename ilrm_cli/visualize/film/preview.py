"""The preview of a fit: one picture, rewritten as it goes, of the scene beside a photo."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from ilrm_cli.capture.load_views import load_views
from ilrm_cli.geometry.views import Views
from ilrm_cli.pipeline.optimize.optimized import picture_of
from ilrm_cli.pipeline.prepare import normalized_views
from ilrm_cli.pipeline.reconstruct import Reconstruction
from ilrm_cli.pipeline.trace import Picture
from ilrm_cli.render.video import save_signed
from ilrm_cli.runtime.cache import state_of
from ilrm_cli.runtime.files import replacing
from ilrm_cli.runtime.progress import Report, Step
from ilrm_cli.visualize.film.trace_film import labelled


@contextmanager
def previewed(path: Path | None, report: Report) -> Iterator[Report]:
    """Yield a report that also writes the picture of each step that has one: the scene, and the photo it is like.

    The context ends with a scene: work in it that fails or is stopped takes its picture along.
    """
    if path is None:
        yield report
        return

    def shown(step: Step) -> None:
        report(step)
        if step.picture is not None:
            _write(path, step.picture(), f"after {step.done} of {step.total} steps")

    before = state_of(path) if path.exists() else None
    try:
        yield shown
    except BaseException:
        if path.exists() and state_of(path) != before:
            path.unlink()
        raise


def preview_result(path: Path, result: Reconstruction) -> None:
    """Write the last picture: the scene as it was written, from the camera of the photo that the others show."""
    if result.fit is not None:
        _write(path, picture_of(result.gaussians, _view(result)), "the scene as written")


def _view(result: Reconstruction) -> Views:
    """Return the first of the photos that judged, or else of those that were fitted, at the size of the fit."""
    made, chosen, prepared = result.fit, result.selection, result.prepared
    assert made is not None, "there is a fit"
    photo = (chosen.scored or chosen.fitted)[0]
    view = load_views((photo,), made.optimized.width, made.optimized.height)
    view = normalized_views(view, prepared.normalized_from_world).to(result.device)
    if made.corrections is None or photo.name not in made.corrections.names:
        return view
    return replace(view, cameras=made.corrections.applied([photo.name], view.cameras))


def _write(path: Path, pictures: Sequence[Picture], words: str) -> None:
    panels = [labelled(picture, said) for picture, said in zip(pictures, (words, "photo"), strict=True)]
    with replacing(path) as part:
        save_signed(np.concatenate(panels, axis=1), part)
