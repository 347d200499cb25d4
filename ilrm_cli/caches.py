"""Where results that can be made again are kept between runs."""

import os
from pathlib import Path

import platformdirs


def cache_dir() -> Path:
    """The cache folder of this user; the environment variable ILRM_CACHE names another one."""
    named = os.environ.get("ILRM_CACHE")
    return Path(named) if named else platformdirs.user_cache_path("ilrm")


def keep_numba_kernels() -> None:
    """Let numba keep its compiled kernels in our cache folder; to be called before numba is first imported.

    A NUMBA_CACHE_DIR that the user has set stays.
    """
    os.environ.setdefault("NUMBA_CACHE_DIR", str(cache_dir() / "numba"))
