"""The content of a file of Gaussians, independent of its format."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

from ilrm_cli.geometry.fields import StoredField
from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.geometry.transforms import Similarity
from ilrm_cli.render.surface import Surface
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.runtime.memory import free_bytes

MAX_GAUSSIANS = 50_000_000  # of a compressed file: no scene has more, and a damaged header must not exhaust the memory
ROUNDING = 1e-3  # by which shares may be off 0 and 1 without a word
MOST_BASES = 16  # harmonics per channel that are kept: degree 3
AA_MARK = "SplatRenderMode: mip"  # header line of antialiased scenes (Brush, splat-transform)
ORIGIN_MARK = "origin of the coordinates"
RENDER_MODES = {"splatrendermode: mip": True, "splatrendermode: default": False, "splatrendermode: 2dgs": False} | {
    "antialiased 1": True, "antialiased 0": False,  # Postshot
}  # fmt: skip
# A Gaussian takes 8 to 20 bytes in compressed files of real scenes; a few equal ones may take less.
ALWAYS_READ, LEAST_BYTES_EACH = 200_000, 2
COUNTLESS = 10**15
PEAK_BYTES_A_NUMBER = 40  # memory for each number of a Gaussian while a compressed file is decoded; measured 25 to 36


@dataclass(frozen=True)
class KeptField:
    """A field, and its surface, both in its own frame and on the CPU."""

    stored: StoredField
    surface: Surface
    world_from_field: Similarity  # to the frame of the file
    model: Mapping[str, str]  # "name" and "sha256" of the weights that made it, and "licence" if it is known


@dataclass(frozen=True)
class SceneFile:
    """The content of one file, in its order and in the conventions of `Gaussians`."""

    gaussians: Gaussians  # float32, all finite
    comments: tuple[str, ...] = ()  # free text of the header, one line each; few formats keep it
    dropped: int = 0  # Gaussians dropped on reading: non-finite numbers or a zero quaternion
    confidence: Float[Tensor, " gaussian"] | None = None  # in [0, 1], how well views support each; None: unknown
    remarks: tuple[str, ...] = ()  # what reading changed or passed over, one sentence each
    field: KeptField | None = None  # on whose surface the Gaussians lie; None: the scene is Gaussians

    def __getitem__(self, chosen: Tensor) -> "SceneFile":
        """Return the Gaussians selected by a mask or a list of indices, each with its confidence."""
        confidence = None if self.confidence is None else self.confidence[chosen]
        return replace(self, gaussians=self.gaussians[chosen], confidence=confidence, field=None)

    def to(self, device: torch.device | str) -> "SceneFile":
        confidence = None if self.confidence is None else self.confidence.to(device)
        return replace(self, gaussians=self.gaussians.to(device), confidence=confidence)

    @property
    def marked_comments(self) -> tuple[str, ...]:
        """The comments, among which one says whether the scene is antialiased."""
        told = is_antialiased(self.comments)
        return self.comments if told == self.gaussians.antialiased else (*self.comments, AA_MARK)


def told_dropped(count: int, scene: Path | None = None) -> tuple[str, ...]:
    """Return the warning about Gaussians without usable numbers, of that scene file or of one just made; none for 0."""
    of = "" if scene is None else f" of {scene}"
    are = "are not finite or absurdly large and are left out"
    return (f"{count} Gaussians{of} have numbers that {are}.",) if count else ()


def origin_comment(origin: tuple[float, float, float]) -> str:
    """Return the header line of a scene whose coordinates begin at a point of another frame, such as a map's."""
    return " ".join([ORIGIN_MARK, *(repr(float(value)) for value in origin)])


def is_antialiased(comments: Iterable[str], unless_told: bool = False) -> bool:
    """Return whether header lines call a scene antialiased; the last one that tells counts, or else `unless_told`."""
    modes = [RENDER_MODES.get(" ".join(line.lower().split())) for line in comments]
    return next((mode for mode in reversed(modes) if mode is not None), unless_told)


def without_degree_4(path: Path, gaussians: Gaussians) -> tuple[Gaussians, tuple[str, ...]]:
    """Return the scene with harmonics of degree 3 at most, and a remark if that takes something away."""
    if gaussians.harmonics.shape[1] <= MOST_BASES:
        return gaussians, ()
    return replace(gaussians, harmonics=gaussians.harmonics[:, :MOST_BASES].contiguous()), (degree_4_is_cut(path),)


def degree_4_is_cut(path: Path) -> str:
    return f"{path} has spherical harmonics of degree 4: those above degree 3 are left out."


def blends_otherwise(path: Path) -> str:
    """Return the remark on a file whose linear colours were turned into sRGB."""
    return f"{path} has linear colours, now sRGB: where Gaussians overlap, they blend a little differently."


def ready_to_write(gaussians: Gaussians) -> Gaussians:
    """Return the scene on the CPU and without gradients.

    All numbers must be finite: the caller drops the others with `gaussians.finite()` and reports their number.
    """
    not_finite = int((~gaussians.finite()).sum())
    assert not_finite == 0, f"{not_finite} Gaussians with numbers that are not finite"
    return gaussians.detach().to("cpu")


def from_columns(
    means: Float[ndarray, "gaussian 3"],
    quaternions: Float[ndarray, "gaussian 4"],
    scales: Float[ndarray, "gaussian 3"],
    opacities: Float[ndarray, " gaussian"],
    harmonics: Float[ndarray, "gaussian bases 3"],
) -> Gaussians:
    """Build `Gaussians` from a decoder's columns; quaternions of any length are normalised, zero ones become NaN."""
    lengths = np.linalg.norm(quaternions, axis=1, keepdims=True)
    with np.errstate(invalid="ignore"):
        columns = (means, quaternions / lengths, scales, opacities, harmonics)
    with np.errstate(over="ignore"):
        return Gaussians(*(torch.from_numpy(np.array(column, dtype=np.float32, order="C")) for column in columns))


def usable(
    path: Path,
    read: Gaussians,
    comments: tuple[str, ...] = (),
    confidence: Float[Tensor, " gaussian"] | None = None,
    remarks: tuple[str, ...] = (),
) -> SceneFile:
    """Build the file's content, dropping and counting Gaussians with numbers that are not finite, or absurdly large.

    Harmonics above degree 3 are cut, opacities and confidence are brought into [0, 1] and scales lose their signs, each
    with a remark. Raises `InputError` if no Gaussian is left.
    """
    read, cut = without_degree_4(path, read)
    read, confidence, odd = _within_ranges(path, read, confidence)
    finite = read.finite()
    dropped = int((~finite).sum())
    if dropped == len(read):
        why = (
            "no Gaussians"
            if len(read) == 0
            else f"{len(read)} Gaussians, none of them with finite and sensible numbers"
        )
        raise InputError(f"{path} holds {why}; there is nothing to show.")
    trusted = None if confidence is None else confidence[finite]
    return SceneFile(read[finite], comments, dropped, trusted, (*cut, *odd, *remarks))


def _within_ranges(
    path: Path, read: Gaussians, confidence: Float[Tensor, " gaussian"] | None
) -> tuple[Gaussians, Float[Tensor, " gaussian"] | None, tuple[str, ...]]:
    """Return scales that are positive, opacities and confidence in [0, 1], and a remark on each that was not."""
    remarks = []

    def share(values: Float[Tensor, " gaussian"], name: str) -> Float[Tensor, " gaussian"]:
        if ((values < -ROUNDING) | (values > 1 + ROUNDING)).any():
            remarks.append(f"{path} has {name} outside of 0 to 1, which were brought to the nearer end.")
        return values.clamp(0, 1)

    opacities = share(read.opacities, "opacities")
    trust = None if confidence is None else share(confidence.nan_to_num(0.0), "confidences")
    if (read.scales < 0).any():
        remarks.append(f"{path} has negative scales, whose signs were dropped.")
    return replace(read, scales=read.scales.abs(), opacities=opacities), trust, tuple(remarks)


def check_claim(path: Path, count: int, bases: int, size: int | None = None) -> None:
    """Raise `InputError` if a file is too small for its Gaussians with `bases` harmonics, or the free memory is.

    `size` is what there is in bytes, by default the size of the file.
    """
    size = path.stat().st_size if size is None else size
    if not 0 <= count <= min(MAX_GAUSSIANS, max(ALWAYS_READ, size // LEAST_BYTES_EACH)):
        raise damaged(path, f"it cannot hold {count if count < COUNTLESS else 'countless'} Gaussians in {size} bytes")
    needed, free = count * (11 + 3 * bases) * PEAK_BYTES_A_NUMBER, free_bytes(torch.device("cpu"))
    if needed > free:
        raise InputError(
            f"{path} takes {needed / 1e9:.1f} GB of memory to read, and {free / 1e9:.1f} GB are free; "
            "end other programs."
        )


def damaged(path: Path, why: str) -> InputError:
    """Return the error for a file that is cut short, damaged or of another kind than its name says."""
    return InputError(f"{path} is not a {path.suffix or 'splat'} scene, or is cut short or damaged ({why}).")
