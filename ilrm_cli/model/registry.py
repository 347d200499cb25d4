"""Models with a name: the one shipped with the tool and those published by the authors of iLRM."""

import dataclasses
from typing import Literal

from ilrm_cli.model.config import PRESETS, IlrmConfig

PUBLISHED_REPOSITORY = "Gynjn/iLRM"  # on the Hugging Face hub
UNSTATED = "none stated that we know of"  # licence of the published weights


@dataclasses.dataclass(frozen=True)
class Published:
    """Location and content of published weights."""

    repository: str  # of the Hugging Face hub
    file: str  # its name there
    config: IlrmConfig
    parameters: int


@dataclasses.dataclass(frozen=True)
class KnownModel:
    """A model that `--model` takes by name."""

    name: str
    psnr: float  # dB, feed-forward, mean over the scenes of `protocol`
    protocol: str  # data, number of views, size, and source of the figure
    basis: Literal["measured", "published"]  # by us, or by the authors
    licence: str  # of the weights
    published: Published | None = None  # None: ships with the tool


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
            psnr=18.9,
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
    )
}
