"""Download of published weights from the Hugging Face hub, only on request.

The first pull records the commit and the sha256; later pulls take that commit and accept nothing else. Where
`models/registry.py` knows both beforehand, so does the first one. huggingface_hub does the transfer: it honours
HF_ENDPOINT, HF_HUB_OFFLINE and the proxy variables.
"""

import contextlib
import io
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ilrm_cli.models.registry import (
    ORIGIN_FILE,
    UNSTATED,
    KnownModel,
    Published,
    PulledFrom,
    encode_origin,
    file_of,
    folder_of,
    origin_of,
)
from ilrm_cli.runtime.cache import sha256_of
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.runtime.files import filling
from ilrm_cli.runtime.progress import Report, Step, ignore

MEGABYTE = 1_000_000  # unit of progress
LOGIN_STATUSES = (401, 403)  # HTTP: unauthorised and forbidden


@dataclass(frozen=True)
class Pulled:
    """Weights now present on this computer."""

    path: Path
    origin: PulledFrom
    downloaded: bool  # False: they were already here


@dataclass(frozen=True)
class _Listed:
    """The hub's information on a file before its download."""

    revision: str
    size_bytes: int
    sha256: str | None  # None for a file outside the hub's large-file storage
    licence: str | None


def licence_note(known: KnownModel) -> str:
    """Return the note on the licence that the user should read before the download."""
    assert known.published
    where = f"https://huggingface.co/{known.published.repository}"
    if known.licence != UNSTATED:
        return f"the weights of {known.name} ({where}) come under the licence {known.licence}."
    return (
        f"no licence is stated for {known.name} ({where}) that we know of, "
        "so its authors keep all rights; whether your use is allowed is between you and them."
    )


def pull(
    known: KnownModel,
    *,
    offline: bool = False,
    accepted: bool = False,
    report: Report = ignore,
    endpoint: str | None = None,
) -> Pulled:
    """Download the weights of a published model, unless they are already here and intact.

    `accepted`: whether the user accepts the licence of restricted weights, which is asked for once and recorded.
    `endpoint` is the hub's address; None: HF_ENDPOINT, else huggingface.co. A failed pull leaves nothing behind. Raises
    InputError for a model that ships with the tool, a hub that cannot be reached or lacks the file, content with
    another hash than recorded, and a full disk.
    """
    if known.published is None:
        raise InputError(f"{known.name} ships with ilrm; there is nothing to pull.")
    origin = origin_of(known)
    if origin and file_of(known).is_file() and sha256_of(file_of(known)) == origin.sha256:
        return Pulled(file_of(known), origin, downloaded=False)
    if known.restricted and origin is None and not accepted:
        raise InputError(
            f"the weights of {known.name} come under the {known.licence}; if that allows your use, say so with: "
            f"ilrm models pull {known.name} --accept-licence"
        )
    _require_online(known, offline)
    folder = folder_of(known)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder.parent}: cannot be made ({error.strerror}); set ILRM_CACHE to another.") from error
    listed = _look_up(known, origin.revision if origin else known.published.revision, endpoint)
    _require_space(folder.parent, listed.size_bytes)
    with filling(folder) as part:
        fresh = _download(known.published, listed, part, report, endpoint)
        _require_same(known, fresh, origin.sha256 if origin else known.published.sha256 or listed.sha256)
        if known.restricted:
            fresh = replace(fresh, licence=known.licence)
        (part / ORIGIN_FILE).write_bytes(encode_origin(fresh))
    return Pulled(file_of(known), fresh, downloaded=True)


def _require_online(known: KnownModel, offline: bool) -> None:
    from huggingface_hub import constants

    reason = "--offline" if offline else "HF_HUB_OFFLINE" if constants.is_offline_mode() else None
    if reason:
        raise InputError(f"{known.name} is not on this computer, or damaged, and {reason} forbids to download it.")


def _look_up(known: KnownModel, revision: str | None, endpoint: str | None) -> _Listed:
    """Return the file's information in the newest commit, or in the given one."""
    from huggingface_hub import HfApi

    assert known.published
    with _hub_errors_named(known.published):
        info = HfApi(endpoint=endpoint).model_info(known.published.repository, revision=revision, files_metadata=True)
    entry = next((s for s in info.siblings or () if s.rfilename == known.published.file), None)
    if entry is None or info.sha is None:
        raise InputError(f"the repository {known.published.repository} has no file {known.published.file} any more.")
    licence = info.card_data.get("license") if info.card_data else None
    sha256 = entry.lfs.sha256 if entry.lfs else None
    return _Listed(info.sha, entry.size or 0, sha256, str(licence) if licence else None)


def _require_space(folder: Path, size_bytes: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < size_bytes:
        raise InputError(
            f"{folder}: the weights take {size_bytes / 1e9:.2f} GB and {free / 1e9:.2f} GB are free; make room or set "
            "ILRM_CACHE to a folder on another disk."
        )


def _download(published: Published, listed: _Listed, folder: Path, report: Report, endpoint: str | None) -> PulledFrom:
    """Download the file into `folder`."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.utils import logging

    logging.set_verbosity_error()  # we report its warnings in our own words, or it recovers itself
    with _hub_errors_named(published):
        hf_hub_download(
            published.repository, published.file, revision=listed.revision, local_dir=folder,
            tqdm_class=_bar_that_reports(report), endpoint=endpoint, library_name="ilrm",
        )  # fmt: skip
    shutil.rmtree(folder / ".cache", ignore_errors=True)  # its own bookkeeping, replaced by the record of origin
    path = folder / published.file
    size_bytes, digest = path.stat().st_size, sha256_of(path)
    return PulledFrom(published.repository, published.file, listed.revision, digest, size_bytes, listed.licence)


def _require_same(known: KnownModel, fresh: PulledFrom, sha256: str | None) -> None:
    if sha256 is not None and fresh.sha256 != sha256:
        raise InputError(
            f"{known.name}: what the hub sent has the sha256 {fresh.sha256[:12]}… where {sha256[:12]}… is recorded; "
            f"it was thrown away; try again, and only if you trust the change delete {folder_of(known)} first."
        )


@contextlib.contextmanager
def _hub_errors_named(published: Published) -> Iterator[None]:
    """Turn every failure of the hub into one sentence."""
    import httpx2
    from huggingface_hub import errors

    where, file = f"the repository {published.repository}", published.file
    try:
        yield
    except errors.RevisionNotFoundError as error:
        raise InputError(f"{where} no longer has the commit that was recorded when {file} was first pulled.") from error
    except errors.RemoteEntryNotFoundError as error:
        raise InputError(f"{where} has no file {file} any more.") from error
    except errors.RepositoryNotFoundError as error:
        raise InputError(f"{where} does not exist any more, or asks to log in (hf auth login).") from error
    except errors.HfHubHTTPError as error:
        status = error.response.status_code
        advice = "log in with: hf auth login" if status in LOGIN_STATUSES else "try again later"
        raise InputError(f"the Hugging Face hub answered {status}; {advice}.") from error
    except (httpx2.HTTPError, errors.LocalEntryNotFoundError, errors.FileMetadataError) as error:
        raise InputError(
            "the Hugging Face hub cannot be reached; check the network and, where they are set, HF_ENDPOINT and the "
            "proxy variables."
        ) from error
    except errors.XetDownloadError as error:
        raise InputError(f"the download of {file} broke off; try again.") from error
    except OSError as error:
        if error.errno is not None:  # of the disk: reported by the writer
            raise
        raise InputError(f"the download of {file} broke off; try again.") from error


def _bar_that_reports(report: Report) -> type[Any]:
    """Return a progress-bar class for huggingface_hub that draws nothing and reports instead."""
    from tqdm import tqdm

    class Bar(tqdm):  # type: ignore[type-arg]
        monitor_interval = 0  # no thread of its own

        def __init__(self, *args: Any, **options: Any):
            super().__init__(*args, **options | {"file": io.StringIO()})

        def update(self, n: float | None = 1) -> bool | None:
            drawn = super().update(n)
            total = int(self.total // MEGABYTE) if self.total else None
            report(Step("download", int(self.n // MEGABYTE), total, "MB"))
            return drawn

        def update_transfer(self, n: float) -> None:
            """Ignore bytes over the wire, which huggingface_hub counts separately from bytes of the file."""

        def set_transfer_postfix_str(self, *args: Any, **options: Any) -> None:
            """Ignore the transfer rate."""

    return Bar
