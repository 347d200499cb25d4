"""Selection of a capture's input photos, and the reason why each other photo is not an input."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import torch
from jaxtyping import Float64
from numpy import ndarray
from PIL import Image

from ilrm_cli.capture.photos.folder import MIN_VIEWS
from ilrm_cli.capture.photos.near_duplicates import sharpness_of
from ilrm_cli.capture.photos.pixels import read_photo
from ilrm_cli.capture.poses.overlap import distance_to_scene, gap_deg
from ilrm_cli.geometry.views import Capture, LeftOut, PosedPhoto
from ilrm_cli.models.base import Capabilities
from ilrm_cli.pipeline.choose_views import Choice, Swap, choose_views, select_views
from ilrm_cli.pipeline.settings import DEFAULT_VIEWS, Settings
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.runtime.progress import Report, ignore
from ilrm_cli.runtime.threads import in_threads

T = TypeVar("T")

ENOUGH_TO_SPARE = 5  # photos from which holding one out costs little
CLOSE_DEG = 5.0  # from the middle photo to its nearest input: below, more inputs add little
MOST_AUTO = 16  # maximum number of inputs chosen automatically: time and memory grow with them
SPARE_SHARE = 0.25  # of the photos, kept held out if more than the usual number are inputs
FITTED = "it is no input of the prediction, but the scene is fitted to it"
SCORES = "it is held out to score the result"
JUDGES = "it is held out to score the result and to choose when to stop"
MAX_SCORED = 64  # held-out photos that are scored; more would cost minutes and hardly change the mean


@dataclass(frozen=True)
class Selection:
    """The photos of a capture by role: each that was found is used, fitted, scored or left out."""

    used: tuple[PosedPhoto, ...]  # the inputs
    held_out: tuple[PosedPhoto, ...]  # all others but those replaced by inputs; with a fit, all that it does not see
    scored: tuple[PosedPhoto, ...]  # held-out photos: all, or an even selection of many
    reasons: tuple[LeftOut, ...]  # why each photo that is not an input is none, sorted by name
    fitted: tuple[PosedPhoto, ...] = ()  # photos that the scene is fitted to, inputs included; none of a draft

    @property
    def only_fitted(self) -> tuple[PosedPhoto, ...]:
        """The fitted photos that are no inputs."""
        return photos_without(self.fitted, self.used)

    @property
    def left_out(self) -> tuple[LeftOut, ...]:
        """Every photo that plays no part, sorted by name."""
        playing = {photo.name for photo in (*self.fitted, *self.scored)}
        return tuple(photo for photo in self.reasons if photo.name not in playing)


def photos_by_role(capture: Capture, settings: Settings, can: Capabilities, report: Report = ignore) -> Selection:
    """Choose which photos are inputs, which the scene is fitted to, and which score it.

    Raises InputError if there are fewer photos than inputs are asked for.
    """
    side = settings.long_side_px or can.long_side_px
    if settings.settled_quality == "draft":
        return select_photos(capture, settings.views, can, side, seed=settings.seed, report=report)
    return select_for_fit(capture, settings.views, can, side, settings.hold_out, seed=settings.seed, report=report)


def select_photos(
    capture: Capture,
    views: int | None,
    can: Capabilities,
    long_side_px: int,
    *,
    seed: int = 0,
    report: Report = ignore,
) -> Selection:
    """Choose inputs for a model of these capabilities: `views` of them, or as many as `auto_views` says.

    They are spread over positions and directions, connected by sparse points and, at `long_side_px` (the size at which
    the model sees them), no blurrier than their neighbours. Raises InputError if there are fewer photos than `views`.
    """
    photos = capture.photos
    count = views if views is not None else auto_views(capture, can, seed=seed)

    def sharpness(indices: Sequence[int]) -> list[float]:
        asked = [photos[index] for index in indices]
        return in_threads(lambda photo: _sharpness(photo, long_side_px), asked, "selecting views", report)

    choice = choose_views(capture.world_from_cam, count, [photo.points for photo in photos], sharpness, seed=seed)
    return _sorted_out(capture, choice)


def select_for_fit(
    capture: Capture,
    views: int | None,
    can: Capabilities,
    long_side_px: int,
    hold_out: int,
    *,
    seed: int = 0,
    report: Report = ignore,
) -> Selection:
    """Choose inputs as `select_photos` does, for a scene that is then fitted to all photos that are not held out.

    Every `hold_out`-th photo by name is held out, none if that is 0. If there are no more photos than that, those that
    are no inputs are. Raises InputError if there are fewer photos than `views`.
    """
    photos = sorted(capture.photos, key=lambda photo: photo.name)
    held = tuple(photos[::hold_out]) if 0 < hold_out < len(photos) else ()
    left = len(photos) - len(held)
    if held and left < MIN_VIEWS:
        raise InputError(
            f"--hold-out {hold_out} leaves {left} of {len(photos)} photos; "
            f"pass --hold-out {hold_out + 1} or more, or 0."
        )
    if views is not None and left < views <= len(photos):
        raise InputError(
            f"--views {views} is more than the {left} photos that are not held out; ask for {left} or fewer, or pass "
            "--hold-out 0."
        )
    rest = replace(capture, photos=photos_without(capture.photos, held))
    chosen = select_photos(rest, views, can, long_side_px, seed=seed, report=report)
    return _with_fit(chosen, rest, held or (chosen.held_out if hold_out else ()))


def select_again(
    capture: Capture, inputs: Sequence[str], held_out: Sequence[str] | None, left_out: Sequence[str], hold_out: int
) -> Selection:
    """Return the photos of these names by role, for a scene that is fitted to all others but those left out.

    If `held_out` is None, photos that are no inputs are chosen to be: as many as if every `hold_out`-th photo was.
    """
    photos = {photo.name: photo for photo in capture.photos}
    used = tuple(photos[name] for name in inputs)
    if held_out is None:
        spare = photos_without(capture.photos, used)
        count = min(len(spare), -(-len(photos) // hold_out)) if hold_out else 0
        held = tuple(spare[len(spare) * i // count] for i in range(count))
        chosen = Selection(used, held, held, capture.left_out)
        return _with_fit(chosen, replace(capture, photos=photos_without(capture.photos, held)), held)
    held = tuple(photos[name] for name in held_out)
    others = tuple(photos[name] for name in left_out if name in photos)
    rest = replace(capture, photos=photos_without(capture.photos, (*held, *others)))
    return _with_fit(Selection(used, held, held, capture.left_out), rest, held)


def _with_fit(chosen: Selection, rest: Capture, held: tuple[PosedPhoto, ...]) -> Selection:
    """Return a selection from `rest` where the scene is fitted to all of these, and `held` photos score it."""
    scored = _evenly(held)
    fitted = photos_without(rest.photos, held)
    reasons = {photo.name: photo.reason for photo in chosen.reasons}
    reasons |= {photo.name: FITTED for photo in photos_without(fitted, chosen.used)}
    reasons |= {photo.name: f"{len(scored)} held-out photos are enough" for photo in held}
    reasons |= {photo.name: JUDGES for photo in scored}
    named = (LeftOut(name, reasons[name]) for name in sorted(reasons))
    return Selection(chosen.used, held, scored, tuple(named), fitted)


def photos_without(photos: Sequence[PosedPhoto], others: Sequence[PosedPhoto]) -> tuple[PosedPhoto, ...]:
    """Return the photos that are not among the others."""
    names = {photo.name for photo in others}
    return tuple(photo for photo in photos if photo.name not in names)


def _evenly(held_out: Sequence[T]) -> tuple[T, ...]:
    """Return all of them, or an even selection of many."""
    return tuple(held_out[:: max(1, -(-len(held_out) // MAX_SCORED))])


def default_views(can: Capabilities, photos: int) -> int:
    """Return the default number of inputs: within the model's range, and not all if there are enough photos."""
    spare = 1 if photos >= ENOUGH_TO_SPARE else 0  # held out, so that the result can be scored
    return min(max(DEFAULT_VIEWS, can.min_views), can.max_views, photos - spare)


def auto_views(capture: Capture, can: Capabilities, *, seed: int = 0) -> int:
    """Return the automatic number of inputs.

    `default_views`, plus one at a time as long as the middle photo is more than CLOSE_DEG away from its nearest input,
    up to `most_auto_views`.
    """
    poses = capture.world_from_cam
    distance = distance_to_scene(poses[:, :3, 3], [photo.points for photo in capture.photos])
    count, most = default_views(can, len(poses)), most_auto_views(can, len(poses))
    while count < most and _middle_gap_deg(poses, select_views(poses, count, seed=seed), distance) > CLOSE_DEG:
        count += 1
    return count


def most_auto_views(can: Capabilities, photos: int) -> int:
    """Return the model's maximum, up to MOST_AUTO, while SPARE_SHARE of the photos stay held out."""
    return min(can.max_views, MOST_AUTO, int((1 - SPARE_SHARE) * photos))


def _middle_gap_deg(poses: Float64[ndarray, "photo 4 4"], inputs: Sequence[int], distance: float) -> float:
    others = np.setdiff1d(np.arange(len(poses)), inputs)
    gaps = gap_deg(torch.from_numpy(poses[others]), torch.from_numpy(poses[list(inputs)]), distance)
    return float(gaps.median())


def _sharpness(photo: PosedPhoto, long_side_px: int) -> float:
    """Return the sharpness of the photo in grey at the size at which the model sees it."""
    image = Image.fromarray(read_photo(photo.path, at_least=(long_side_px, long_side_px))).convert("L")
    image.thumbnail((long_side_px, long_side_px), Image.Resampling.LANCZOS)
    return sharpness_of(np.asarray(image))


def _last(swap: Swap, swaps: Sequence[Swap]) -> int:
    """Return the final replacement of the dropped photo, if its replacement was replaced as well."""
    following = {later.dropped: later for later in swaps}
    while swap.taken in following:
        swap = following[swap.taken]
    return swap.taken


def _sorted_out(capture: Capture, choice: Choice) -> Selection:
    photos = capture.photos
    others = [i for i in range(len(photos)) if i not in choice.inputs]
    replaced = {swap.dropped: swap for swap in choice.swaps if swap.dropped in others}
    held_out = [i for i in others if i not in replaced] or others
    scored = _evenly(held_out)

    def reason(index: int) -> str:
        parts = []
        if swap := replaced.get(index):
            better = photos[_last(swap, choice.swaps)].name
            parts.append(
                f"it is blurred: {better} beside it is sharper"
                if swap.why == "blurred"
                else f"it shares hardly any point with the other inputs: {better} takes its place"
            )
        if index in scored:
            parts.append(SCORES)
        return "; ".join(parts) or f"{len(choice.inputs)} inputs and {len(scored)} held-out photos are enough"

    unused = [LeftOut(photos[i].name, reason(i)) for i in others]
    return Selection(
        used=tuple(photos[i] for i in choice.inputs),
        held_out=tuple(photos[i] for i in held_out),
        scored=tuple(photos[i] for i in scored),
        reasons=tuple(sorted((*capture.left_out, *unused), key=lambda photo: photo.name)),
    )


def advice_on_counts(model: str, can: Capabilities, chosen: Selection) -> Iterator[str]:
    """Yield a sentence where a model of this name gets other numbers of views than it was trained for, or few score."""
    used = len(chosen.used)
    if not can.min_views <= used <= can.max_views:
        least = f"{can.min_views} to " if can.min_views < can.max_views else ""
        yield (
            f"the model {model} was trained for {least}{can.max_views} views, {used} are used: "
            "expect less than its best."
        )
    if len(chosen.scored) < len(chosen.held_out):
        yield f"of {len(chosen.held_out)} photos that are held out, {len(chosen.scored)} evenly chosen ones are scored."
