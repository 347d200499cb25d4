"""Compiled kernels in files, each with the SHA-256 of its content: a damaged one is compiled again.

numba unpickles and runs whatever its files hold, and without a writable cache writes beside the sources, into the
installed package. Both are prevented here: kernels are kept in the folder NUMBA_CACHE_DIR or not at all.
"""

import contextlib
import hashlib
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
from numba.core.caching import IndexDataCacheFile

DIGEST_BYTES = hashlib.sha256().digest_size


class CheckedFiles(IndexDataCacheFile):
    """The index of a kernel's compiled versions, and their files. What cannot be read or written counts as absent."""

    def save(self, key: Any, data: Any) -> None:
        with contextlib.suppress(OSError):  # a full disk: the next process compiles again
            super().save(key, data)

    def load(self, key: Any) -> Any:
        try:
            return super().load(key)
        except Exception:  # whatever pickle raises on content of another version
            return None

    def _load_index(self) -> dict[Any, str]:
        try:
            version, stamp, overloads = self._checked(self._index_path)
        except Exception:
            return {}
        return overloads if (version, stamp) == (self._version, self._source_stamp) else {}

    def _save_index(self, overloads: dict[Any, str]) -> None:
        self._write(self._index_path, (self._version, self._source_stamp, overloads))

    def _load_data(self, name: str) -> Any:
        return self._checked(self._data_path(name))

    def _save_data(self, name: str, data: Any) -> None:
        self._write(self._data_path(name), data)

    def _write(self, path: str, value: Any) -> None:
        content = self._dump(value)
        with self._open_for_write(path) as file:
            file.write(hashlib.sha256(content).digest() + content)

    @staticmethod
    def _checked(path: str) -> Any:
        """Unpickle a file that we wrote. Raises ValueError if it has changed since."""
        stored = Path(path).read_bytes()
        digest, content = stored[:DIGEST_BYTES], stored[DIGEST_BYTES:]
        if hashlib.sha256(content).digest() != digest:
            raise ValueError(f"{path} is damaged")
        return pickle.loads(content)


def compiled(function: Callable[..., Any], **options: Any) -> Any:
    """Compile a function on its first call, and keep the result where the cache can be written."""
    kept = _folder_is_usable()
    try:
        dispatcher = numba.njit(function, cache=kept, **options)
    except RuntimeError:  # numba found no place for its files
        return numba.njit(function, cache=False, **options)
    if kept:
        dispatcher._cache._cache_file.__class__ = CheckedFiles
    return dispatcher


def _folder_is_usable() -> bool:
    """Return whether files can be written into the cache folder for kernels."""
    folder = Path(os.environ["NUMBA_CACHE_DIR"])
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.R_OK | os.W_OK | os.X_OK)
