"""Models with a name, where their weights lie on this computer, and the hashes they are held to.

One ships with the tool, the others were published by their authors. Nothing heavy is imported.
"""

import dataclasses
import json
from pathlib import Path
from typing import Any, Literal

from ilrm_cli.models.gs_lrm.config import PRESETS as GS_LRM
from ilrm_cli.models.ilrm.config import PRESETS, IlrmConfig
from ilrm_cli.models.long_lrm.config import PRESETS as LONG_LRM
from ilrm_cli.models.lrm.config import TripoSrConfig
from ilrm_cli.runtime.cache import cache_dir
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.runtime.json_values import fitted, read_json

PUBLISHED_REPOSITORY = "Gynjn/iLRM"  # on the Hugging Face hub
UNSTATED = "none stated that we know of"  # licence of the published weights

SHIPPED = Path(__file__).parents[1] / "weights"
SUMS_FILE = "SHA256SUMS"  # beside weights, in the format of `sha256sum`; `make hashes` renews that of the shipped ones
ORIGIN_FILE = "origin.json"  # beside pulled weights

# Architecture of weights -> the module that holds its `ARCHITECTURE`, see `models.base`; imported only when it is used.
ARCHITECTURES = {
    "ilrm": "ilrm_cli.models.ilrm.model",
    "gs-lrm": "ilrm_cli.models.gs_lrm.model",
    "long-lrm": "ilrm_cli.models.long_lrm.model",
    "grm": "ilrm_cli.models.grm.model",
    "avat3r": "ilrm_cli.models.avat3r.model",
    "triposr": "ilrm_cli.models.lrm.triposr",
    "openlrm": "ilrm_cli.models.lrm.openlrm",
    "pixelnerf": "ilrm_cli.models.pixelnerf.model",
}
WITHOUT_POSES = frozenset({"triposr", "openlrm"})  # architectures that take one photo of an object
FIELDS = WITHOUT_POSES | {"pixelnerf"}  # those whose scenes are fields; the others predict Gaussians
OURS = "ilrm"  # of published files and of older sidecars, which name none

Place = Literal["shipped", "pulled", "available"]


@dataclasses.dataclass(frozen=True)
class Published:
    """Location and content of published weights."""

    repository: str  # of the Hugging Face hub
    file: str  # its name there
    config: Any  # of the architecture
    parameters: int
    architecture: str = OURS
    revision: str | None = None  # commit of the repository, if it is known beforehand; None: the newest at first
    sha256: str | None = None  # of the file, if it is known beforehand


@dataclasses.dataclass(frozen=True)
class KnownModel:
    """A model that `--model` takes by name."""

    name: str
    psnr: float | None  # dB, feed-forward, mean over the scenes of `protocol`; None: no figure is known
    protocol: str  # data, number of views, size, and source of the figure
    basis: Literal["measured", "published"]  # by us, or by the authors
    licence: str  # of the weights
    published: Published | None = None  # None: ships with the tool
    restricted: bool = False  # not for every use: the licence must be accepted before the first pull


# Names whose weights are offered by nobody -> why, as a clause.
NOT_OFFERED = {
    "grm": "its authors withdrew code and weights, which have no licence; train one: ilrm train RUN --preset tiny-grm",
    "avat3r": "its authors published neither code nor weights; train one: ilrm train RUN --preset tiny-avat3r",
}
ADOBE = "Adobe Research License (non-commercial research only)"


def _trained_for(preset: str, views: int) -> IlrmConfig:
    return dataclasses.replace(PRESETS[preset].config, min_views=views, max_views=views)


def _published(name: str, file: str, preset: str, views: int, psnr: float, protocol: str) -> KnownModel:
    weights = Published(PUBLISHED_REPOSITORY, file, _trained_for(preset, views), PRESETS[preset].parameters)
    return KnownModel(name, psnr, protocol, "published", UNSTATED, weights)


_RE10K, _DL3DV = PRESETS["re10k"], PRESETS["dl3dv"]

KNOWN: dict[str, KnownModel] = {
    model.name: model
    for model in (
        KnownModel(
            name="default",
            psnr=20.3,
            protocol="mean of 20 real scenes, 8 views, 256 px (MODEL_CARD.md)",
            basis="measured",
            licence="Apache-2.0",
        ),
        _published("re10k-2view", "re10k_2view.ckpt", "re10k", 2, _RE10K.psnr, _RE10K.protocol),
        _published(
            "dl3dv-16view",
            "ilrm_undistort_dl3dv_16view.pt",
            "dl3dv",
            16,
            22.91,
            "DL3DV, 16 views, 544x960 (arXiv 2507.23277)",
        ),
        _published("dl3dv-32view", "ilrm_undistort_dl3dv.pt", "dl3dv", 32, _DL3DV.psnr, _DL3DV.protocol),
        KnownModel(
            name="triposr",
            psnr=None,
            protocol="one photo of an object, cut out (arXiv 2403.02151)",
            basis="published",
            licence="MIT",
            published=Published(
                repository="stabilityai/TripoSR",
                file="model.ckpt",
                config=TripoSrConfig(),
                parameters=419_275_628,
                architecture="triposr",
                revision="5b521936b01fbe1890f6f9baed0254ab6351c04a",
                sha256="429e2c6b22a0923967459de24d67f05962b235f79cde6b032aa7ed2ffcd970ee",
            ),
        ),
        KnownModel(
            name="long-lrm",
            psnr=24.21,
            protocol="DL3DV-140, 32 views, 544x960 (README of arthurhero/Long-LRM)",
            basis="published",
            licence=ADOBE,
            published=Published(
                repository="arthurhero/llrm_checkpoints",
                file="dl3dv_i540_32input_8target/checkpoint_000010000.pt",
                config=dataclasses.replace(LONG_LRM["7m1t-merge"].config, min_views=32),
                parameters=LONG_LRM["7m1t-merge"].parameters,
                architecture="long-lrm",
            ),
            restricted=True,
        ),
        KnownModel(
            name="facelift",
            psnr=None,
            protocol="six views of a head around it (arXiv 2412.17812)",
            basis="published",
            licence=ADOBE,
            published=Published(
                repository="wlyu/OpenFaceLift",
                file="gslrm/ckpt_0000000000021125.pt",
                config=GS_LRM["facelift"].config,
                parameters=GS_LRM["facelift"].parameters,
                architecture="gs-lrm",
            ),
            restricted=True,
        ),
    )
}


@dataclasses.dataclass(frozen=True)
class PulledFrom:
    """The origin of a download, recorded at the first pull; from then on nothing else is accepted under that name."""

    repository: str  # of the Hugging Face hub
    file: str
    revision: str  # commit of the repository, 40 hexadecimal digits
    sha256: str
    size_bytes: int
    licence: str | None  # as stated by the repository's card then; None if not stated


def folder_of(known: KnownModel) -> Path:
    """Return the folder of a published model: its weights and the record of their origin."""
    return cache_dir() / "models" / known.name


def file_of(known: KnownModel) -> Path:
    """Return the path of the weights, present or to be pulled."""
    published = known.published
    return folder_of(known) / published.file if published else SHIPPED / f"{known.name}.safetensors"


def place_of(known: KnownModel) -> Place:
    """Return whether the weights are shipped with the tool, pulled, or still available for pulling."""
    if known.published is None:
        return "shipped"
    return "pulled" if origin_of(known) and file_of(known).is_file() else "available"


def origin_of(known: KnownModel) -> PulledFrom | None:
    """Return the record of the first pull; None before it. Raises InputError for an unreadable record."""
    path = folder_of(known) / ORIGIN_FILE
    if known.published is None or not path.is_file():
        return None
    try:
        origin = fitted(read_json(path), PulledFrom)
    except ValueError as error:
        raise InputError(
            f"{path}: cannot be read ({error}); delete {path.parent} and pull {known.name} again."
        ) from error
    if (origin.repository, origin.file) != (known.published.repository, known.published.file):
        raise InputError(f"{path}: tells of other weights; delete {path.parent} and pull {known.name} again.")
    return origin


def encode_origin(origin: PulledFrom) -> bytes:
    """Encode a record for `origin_of`."""
    return (json.dumps(dataclasses.asdict(origin), indent=2) + "\n").encode()


def weights_file(name_or_path: str) -> Path:
    """Return the weights file for a name or a path.

    Raises InputError if there is no such name or file, or if published weights have not been pulled.
    """
    known = KNOWN.get(name_or_path)
    if known and place_of(known) == "available":
        raise InputError(
            f"the weights of {known.name} are not on this computer; get them with: ilrm models pull {known.name}"
        )
    path = file_of(known) if known else Path(name_or_path)
    if name_or_path in NOT_OFFERED and not path.is_file():
        raise InputError(f"there are no weights of {name_or_path}: {NOT_OFFERED[name_or_path]}.")
    if not path.is_file():
        raise InputError(
            f"{name_or_path}: no such file and no such model; give a checkpoint file or one of: "
            f"{', '.join(KNOWN)} (ilrm models list)."
        )
    return path


def takes_one_photo(name: str) -> bool:
    """Return whether the model of this name takes a single photo, without poses."""
    known = KNOWN.get(name)
    return known is not None and known.published is not None and known.published.architecture in WITHOUT_POSES


def refuse_gaussians(model: str, output: str) -> None:
    """Raise InputError if a model's scenes are Gaussians, as far as its name tells, and cannot be kept as a field."""
    known = KNOWN.get(model)
    if known is not None and (known.published is None or known.published.architecture not in FIELDS):
        raise InputError(f"the model {model} predicts Gaussians and no field; write a .ply instead of {output}.")


def refuse_one_photo(model: str, why: str) -> None:
    """Raise InputError for a model that takes a single photo, as far as its name tells; `why` is a clause."""
    if takes_one_photo(model):
        raise refused_one_photo(model, why)


def refused_one_photo(model: str, why: str) -> InputError:
    """Return the error for a model that takes a single photo and assumes its camera."""
    return InputError(f"--model {model} takes one photo of an object, and {why}.")


def may_need_no_poses(name_or_path: str) -> bool:
    """Return whether a model may take one photo without poses, as far as names tell: of files nothing is known."""
    return name_or_path not in KNOWN or takes_one_photo(name_or_path)


def licence_of(name: str) -> str | None:
    """Return the licence of the weights of this name, as far as it is known."""
    known = KNOWN.get(name)
    if known is None:
        return None
    origin = origin_of(known)
    return (origin and origin.licence) or (known.licence if known.licence != UNSTATED else None)


def recorded_sha256(path: Path, known: KnownModel | None) -> str | None:
    """Return a file's recorded hash: of the first pull, else from `SHA256SUMS` beside it; None without either."""
    if known and (origin := origin_of(known)):
        return origin.sha256
    sums = path.parent / SUMS_FILE
    for line in sums.read_text(encoding="utf-8").splitlines() if sums.is_file() else ():
        digest, _, name = line.partition(" ")
        if name.lstrip(" *") == path.name:  # an asterisk marks binary mode
            return digest
    return None


def require_recorded(known: KnownModel, sha256: str) -> None:
    """Raise InputError if pulled weights do not match the record of their first pull."""
    origin = origin_of(known)
    if origin and origin.sha256 != sha256:
        raise InputError(
            f"{file_of(known)}: its sha256 is not the one recorded when it was first pulled; "
            f"get it again with: ilrm models pull {known.name}"
        )
