"""The catalogue of models: one row per name, details of one, and verification of files."""

import dataclasses
import math
from pathlib import Path
from typing import Any

from safetensors import safe_open

from ilrm_cli.models.base import Blueprint
from ilrm_cli.models.checkpoint import architecture_of, blueprint_of, load_model
from ilrm_cli.models.registry import (
    KNOWN,
    SHIPPED,
    KnownModel,
    file_of,
    origin_of,
    place_of,
    recorded_sha256,
    weights_file,
)
from ilrm_cli.runtime.cache import sha256_of

CARD = SHIPPED / "MODEL_CARD.md"


@dataclasses.dataclass(frozen=True)
class Row:
    """One line of `ilrm models list`."""

    name: str
    parameters: int
    min_views: int  # trained for
    max_views: int
    long_side_px: int  # trained for
    place: str  # shipped, pulled or available
    psnr: float | None  # dB
    protocol: str  # of the PSNR
    basis: str  # measured or published
    licence: str


@dataclasses.dataclass(frozen=True)
class Details:
    """All details of one model; None if unknown."""

    name: str
    place: str  # shipped, pulled, available or file
    path: str | None
    size_bytes: int | None
    sha256: str | None
    repository: str | None
    revision: str | None
    licence: str | None
    psnr: float | None
    protocol: str | None
    basis: str | None
    card: str | None  # path of the model card
    parameters: int
    config: dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Verified:
    """A file and its hash."""

    file: str  # its name
    path: str
    sha256: str
    recorded: str | None  # None: nothing to compare with

    @property
    def passed(self) -> bool:
        return self.recorded in (None, self.sha256)


def rows() -> list[Row]:
    """Return a row for each named model."""
    return [_row(known) for known in KNOWN.values()]


def details(name_or_path: str) -> Details:
    """Return the details of a named model, pulled or not, or of a weights file. Raises InputError for anything else."""
    known = KNOWN.get(name_or_path)
    if known and place_of(known) == "available":
        blueprint, parameters = _blueprint_of(known)
        path = sha256 = None
        config = blueprint.config
    else:
        loaded = load_model(name_or_path)
        path, sha256, config = weights_file(name_or_path), loaded.sha256, loaded.model.config
        parameters = sum(p.numel() for p in loaded.model.parameters())
    origin = origin_of(known) if known else None
    return Details(
        name=known.name if known else Path(name_or_path).name,
        place=place_of(known) if known else "file",
        path=str(path) if path else None,
        size_bytes=path.stat().st_size if path else None,
        sha256=sha256,
        repository=known.published.repository if known and known.published else None,
        revision=origin.revision if origin else None,
        licence=(origin and origin.licence) or (known.licence if known else None),
        psnr=known.psnr if known else None,
        protocol=known.protocol if known else None,
        basis=known.basis if known else None,
        card=str(CARD) if known and not known.published else None,
        parameters=parameters,
        config=dataclasses.asdict(config),
    )


def verify(name_or_path: str | None = None) -> list[Verified]:
    """Return the hashes and recorded hashes of one model or file, or of all named models on this computer."""
    here = [name for name, known in KNOWN.items() if place_of(known) != "available"]
    return [
        Verified(path.name, str(path), sha256_of(path), recorded_sha256(path, KNOWN.get(name)))
        for name in (here if name_or_path is None else [name_or_path])
        for path in _files(weights_file(name))
    ]


def _files(weights: Path) -> list[Path]:
    """Return the weights and, for our own format, the configuration beside them."""
    sidecar = weights.with_suffix(".json")
    return [weights, sidecar] if weights.suffix == ".safetensors" and sidecar.is_file() else [weights]


def _row(known: KnownModel) -> Row:
    blueprint, parameters = _blueprint_of(known)
    can = blueprint.capabilities
    return Row(
        name=known.name,
        parameters=parameters,
        min_views=can.min_views,
        max_views=can.max_views,
        long_side_px=can.long_side_px,
        place=place_of(known),
        psnr=known.psnr,
        protocol=known.protocol,
        basis=known.basis,
        licence=known.licence,
    )


def _blueprint_of(known: KnownModel) -> tuple[Blueprint, int]:
    """Return blueprint and number of parameters, without loading the weights."""
    if known.published:
        architecture = architecture_of(known.published.architecture)
        return Blueprint(architecture, known.published.config), known.published.parameters
    blueprint = blueprint_of(known.name)
    assert blueprint is not None, "ours have a sidecar"
    with safe_open(file_of(known), framework="pt") as tensors:
        parameters = sum(math.prod(tensors.get_slice(key).get_shape()) for key in tensors.keys())  # noqa: SIM118
    return blueprint, parameters
