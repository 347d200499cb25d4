"""Lenses given by the user: "PINHOLE 1200,1200,960,540", or a COLMAP cameras.txt."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ilrm_cli.geometry.cameras import Lens
from ilrm_cli.pose.lenses import checked_lens, fits, scaled_lens
from ilrm_cli.runtime.errors import InputError

FORM = '--camera "MODEL PARAMETERS" with COLMAP\'s models, such as "PINHOLE 1200,1200,960,540", or a cameras.txt'


@dataclass(frozen=True)
class Given:
    """Lenses as given; those without a size (0 x 0) apply to photos of any size."""

    lenses: tuple[Lens, ...]


def parse_given(text: str) -> Given:
    """Parse the option's value. Raises InputError if it is neither a model with numbers nor a file with cameras."""
    path = Path(text)
    if path.suffix == ".txt":
        return Given(_read_cameras(path))
    model, _, numbers = text.strip().partition(" ")
    if not numbers:
        raise InputError(f"--camera {text} is no model with parameters; give {FORM}.")
    return Given((Lens(model.upper(), _numbers(numbers.replace(",", " ").split(), text), 0, 0),))


def _read_cameras(path: Path) -> tuple[Lens, ...]:
    try:
        lines = [line.split() for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"--camera {path} cannot be read; give {FORM}.") from error
    lenses = []
    for fields in lines:
        if not fields or fields[0].startswith("#"):
            continue
        if len(fields) < 5 or not (fields[2].isdecimal() and fields[3].isdecimal()):
            raise InputError(f"{path}: a line is not of the form CAMERA_ID MODEL WIDTH HEIGHT PARAMETERS.")
        lens = Lens(fields[1], _numbers(fields[4:], str(path)), int(fields[2]), int(fields[3]))
        lenses.append(checked_lens(lens, str(path)))
    if not lenses:
        raise InputError(f"{path} holds no camera; give {FORM}.")
    return tuple(lenses)


def _numbers(fields: list[str], where: str) -> tuple[float, ...]:
    try:
        return tuple(float(field) for field in fields)
    except ValueError as error:
        raise InputError(f"--camera {where}: the parameters are not all numbers; give {FORM}.") from error


def lenses_for(given: Given, sizes: Mapping[str, tuple[int, int]]) -> dict[str, Lens]:
    """Return the lens of each photo, given its upright (width, height) in px.

    Parameters without a size apply to the photos as they are, which must then all have one size; with a size they are
    scaled to each photo of the same aspect ratio. Raises InputError if a photo has none or several.
    """
    stated = [lens for lens in given.lenses if lens.width]
    if not stated:
        return _of_one_size(given.lenses[0], sizes)
    lenses = {}
    for name, size in sizes.items():
        exact = [lens for lens in stated if (lens.width, lens.height) == size]
        fitting = exact or [lens for lens in stated if fits(lens, *size)]
        if len(set(fitting)) != 1:
            raise InputError(
                f"--camera gives {len(set(fitting))} cameras for {name}, which is {size[0]}x{size[1]}; "
                "give one for each size of photo."
            )
        lenses[name] = scaled_lens(fitting[0], *size)
    return lenses


def _of_one_size(lens: Lens, sizes: Mapping[str, tuple[int, int]]) -> dict[str, Lens]:
    example: dict[tuple[int, int], str] = {}
    for name, size in sizes.items():
        example.setdefault(size, name)
    if len(example) > 1:
        (first, a), (second, b) = list(example.items())[:2]
        raise InputError(
            f"--camera gives one camera, but the photos differ in size ({a} is {first[0]}x{first[1]}, {b} is "
            f"{second[0]}x{second[1]}); give a cameras.txt with one for each size."
        )
    return {name: checked_lens(Lens(lens.model, lens.params, *size), "--camera") for name, size in sizes.items()}
