"""The pose card as a table for people."""

from collections.abc import Iterator

from ilrm_cli.capture.pose_card import PoseCard

ORIGINS = {"colmap": "a COLMAP model", "transforms": "transforms.json", "sfm": "structure from motion"}


def pose_rows(card: PoseCard) -> tuple[tuple[str, str], ...]:
    """Return (label, figure with unit) rows; unknown figures are omitted."""
    return tuple(_rows(card))


def _rows(card: PoseCard) -> Iterator[tuple[str, str]]:
    yield "Poses come from", ORIGINS[card.origin]
    yield "Photos with a pose", f"{card.registered} of {card.found}"
    if card.points:
        yield "Sparse points", f"{card.points:,}"
    if card.points_per_photo is not None:
        yield "Points in a photo", f"{card.points_per_photo:,.0f} on average"
    if card.error_px is not None:
        yield "Reprojection error", f"{card.error_px:.2f} px"
    if card.baseline_to_depth is not None:
        yield "Farthest cameras apart", f"{card.baseline_to_depth:.2f} × the distance to the scene"
    if card.step_deg is not None:
        yield "From photo to nearest photo", f"{card.step_deg:.0f}° as seen from the scene"
    if card.relief is not None:
        yield "Relief of the scene", f"{card.relief:.1%} of its distance"
    yield "Field of view", f"{_range(card.fov_deg)} as taken, {_range(card.fov_kept_deg)} kept"


def _range(values_deg: tuple[float, float]) -> str:
    low, high = (f"{value:.0f}" for value in values_deg)
    return f"{low}°" if low == high else f"{low} to {high}°"
