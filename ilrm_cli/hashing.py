"""Files named by their content."""

import hashlib
from pathlib import Path

CHUNK = 1 << 20  # bytes read at a time: published weights are larger than some memories


def sha256_of(path: Path) -> str:
    """The file's SHA-256 in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
