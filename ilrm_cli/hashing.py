"""SHA-256 of files."""

import hashlib
from functools import lru_cache
from pathlib import Path

CHUNK = 1 << 20  # bytes read at a time: published weights are larger than some machines' memory
REMEMBERED = 10_000  # hashes of inputs; a megabyte or two


def sha256_of(path: Path) -> str:
    """Return the file's SHA-256 in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def input_sha256(path: Path) -> str:
    """Return the SHA-256 of a photo or other input, cached since several stages ask for it.

    A process reads the file again only if its size or a modification time indicates a change.
    """
    stat = path.stat()
    return _remembered(path, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)


@lru_cache(REMEMBERED)
def _remembered(path: Path, *state: int) -> str:
    return sha256_of(path)
