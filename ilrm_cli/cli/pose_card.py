"""The pose card in words, for `ilrm pose` and `ilrm reconstruct --verbose`."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ilrm_cli.capture.pose_card import PoseCard

MATRIX_UP_TO = 12  # photos whose pairwise overlap fits on the screen
NAME_WIDTH = 16  # characters of a photo's name next to the matrix


def card_lines(card: "PoseCard") -> Iterator[str]:
    """Yield one line per figure, and the advice, if any, at the end."""
    yield f"registered {card.registered} of {card.found} photos, poses from {card.origin}"
    if card.error_px is not None:
        yield f"reprojection error {card.error_px:.2f} px over {card.points:,} points"
    if card.points_per_photo is not None:
        yield f"points per photo {card.points_per_photo:.0f}"
    if card.baseline_to_depth is not None:
        yield f"baseline {card.baseline_to_depth:.2f} of the distance to the scene"
    if card.step_deg is not None:
        yield f"from photo to nearest photo {card.step_deg:.0f} degrees as seen from the scene"
    if card.relief is not None:
        yield f"three quarters of the points lie within {card.relief:.1%} of their distance from one plane"
    yield f"field of view {_range(card.fov_deg)} degrees, {_range(card.fov_kept_deg)} kept"
    yield from _overlap_lines(card)
    for clause in card.unlike_training:
        yield f"unlike what the model was trained on: {clause}"
    for sentence in card.advice:
        yield f"advice: {sentence}"


def _range(values: tuple[float, float]) -> str:
    low, high = (f"{value:.0f}" for value in values)
    return low if low == high else f"{low} to {high}"


def _overlap_lines(card: "PoseCard") -> Iterator[str]:
    """Yield the points shared by each pair, or for many photos how many others each one shares points with."""
    if card.overlap is None:
        return
    if len(card.names) > MATRIX_UP_TO:
        partners = [sum(count > 0 for count in row) for row in card.overlap]
        yield f"each photo shares points with {min(partners)} to {max(partners)} of {len(card.names) - 1} others"
        return
    yield "points that two photos share:"
    width = max(3, *(len(str(count)) for row in card.overlap for count in row))
    for i, (name, row) in enumerate(zip(card.names, card.overlap, strict=True)):
        cells = " ".join(f"{count:{width}}" if i != j else " " * (width - 1) + "-" for j, count in enumerate(row))
        yield f"  {name[-NAME_WIDTH:]:{NAME_WIDTH}} {cells}"
