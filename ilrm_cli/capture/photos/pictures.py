"""Small decoded pictures, kept in memory for the stages of a run that read the same photo at the same size.

Photos are looked at to choose among them, judged by their sharpness, shown to the model and drawn into reports: mostly
at the same reduction, since decoders reduce by 2, 4 or 8 only. Decoding takes far longer than copying such a picture.
"""

from collections.abc import Hashable
from threading import Lock

from PIL import Image

KEPT_BYTES = 128 << 20  # of all pictures together: 200 photos at the size at which they are looked at
LARGEST_BYTES = 2 << 20  # of one picture; larger ones, such as those for structure from motion, are read once anyway


class KeptPictures:
    """Pictures by what they were read from; once there is no room, new ones are not kept.

    Stages go through all photos in the same order: if the oldest made room for new ones, none would ever be found.
    """

    def __init__(self, most_bytes: int = KEPT_BYTES, largest_bytes: int = LARGEST_BYTES) -> None:
        self._most, self._largest = most_bytes, largest_bytes
        self._pictures: dict[Hashable, tuple[str, tuple[int, int], bytes]] = {}
        self._taken = 0
        self._lock = Lock()

    def find(self, key: Hashable) -> Image.Image | None:
        """Return a copy of the picture, or None."""
        kept = self._pictures.get(key)
        return None if kept is None else Image.frombytes(*kept)

    def keep(self, key: Hashable, picture: Image.Image) -> None:
        """Keep a copy, if there is room."""
        if picture.width * picture.height * len(picture.getbands()) > self._largest:
            return
        content = picture.tobytes()
        with self._lock:
            if key not in self._pictures and self._taken + len(content) <= self._most:
                self._pictures[key] = picture.mode, picture.size, content
                self._taken += len(content)

    def forget(self) -> None:
        """Drop all pictures: photos of another place are next."""
        with self._lock:
            self._pictures.clear()
            self._taken = 0


PICTURES = KeptPictures()  # of the place gathered last
