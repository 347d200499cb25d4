"""Photos that other tools know by another spelling of their names than the files have.

A name is taken by its content: capital letters do not count, nor the Unicode form of accents (macOS decomposes them),
nor which way slashes lean, nor the folders of the computer that the name was written on, nor a suffix that is missing
or, after a conversion, another one. What such a name leads to counts only if it is a single photo that no other name
claims.
"""

import os
import posixpath
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from ilrm_cli.capture.photos.listing import SUFFIXES, Listing

# Parts of the names of folders with pictures that are no photos but are named like them.
NO_PHOTOS = ("depth", "normal", "mask", "segment", "semantic", "confidence", "disparity")


def renamed_photos(root: Path, names: Iterable[str], listing: Listing) -> dict[str, str]:
    """Map names of photos that are not below `root` to the names of the files meant, relative to `root`.

    A folder that has some of the photos of a stated folder under their own names is that folder, where only spelling
    can differ. Otherwise the folder with most of the names is, if there is a single one.
    """
    names = list(dict.fromkeys(names))
    missing = [name for name in names if not os.path.isfile(root / name)]
    if not missing:
        return {}
    taken = set(names) - set(missing)
    groups: dict[str, list[str]] = {}
    for name in missing:
        groups.setdefault(_parent(name), []).append(name)
    folders = _Folders(root, listing)
    found: dict[str, str] = {}
    for stated, group in groups.items():
        found |= folders.in_one_folder(stated, group, is_there=any(_parent(name) == stated for name in taken))
    claims = Counter(found.values())
    return {name: file for name, file in found.items() if claims[file] == 1 and file not in taken}


class _Folders:
    """The photos below a root, by folder and by what their names mean."""

    def __init__(self, root: Path, listing: Listing):
        self._root, self._listing = root, listing
        self._everywhere: dict[str, dict[str, list[str]]] | None = None  # meaning -> folder -> photos
        self._beside: dict[str, Mapping[str, list[str]]] = {}

    def in_one_folder(self, stated: str, names: list[str], is_there: bool) -> dict[str, str]:
        """Return which files names of one stated folder mean."""
        if stated not in self._beside:
            self._beside[stated] = _indexed(self._root, self._listing.files(self._root / stated))
        found = {name: file for name in names if (file := _meant(name, self._beside[stated]))}
        if found or is_there:
            return found
        by_folder: dict[str, dict[str, str]] = {}
        for name in names:
            for folder, photos in self._folders_with(name).items():
                if len(photos) == 1:
                    by_folder.setdefault(folder, {})[name] = photos[0]
        ranked = [(len(found), _common_tail(folder, stated), found) for folder, found in by_folder.items()]
        ranked.sort(key=lambda one: one[:2], reverse=True)
        if not ranked or (len(ranked) > 1 and ranked[0][:2] == ranked[1][:2]):
            return {}
        return ranked[0][2]

    def _folders_with(self, name: str) -> Mapping[str, list[str]]:
        """Return the photos of that name by folder, with any suffix if the name has none."""
        if self._everywhere is None:
            self._everywhere = {}
            files: dict[str, list[Path]] = {}
            for photo in self._listing.pictures(self._root):
                files.setdefault(photo.parent.relative_to(self._root).as_posix(), []).append(photo)
            for folder, inside in files.items():
                for key, photos in _indexed(self._root, inside).items() if not _holds_no_photos(folder) else ():
                    self._everywhere.setdefault(key, {})[folder] = photos
        base = _base(name)
        without = self._everywhere.get(_any_suffix(base), {}) if _stem(base) == base else {}
        return {**without, **self._everywhere.get(meaning(base), {})}


def _indexed(root: Path, files: Iterable[Path]) -> dict[str, list[str]]:
    """Map meanings of names, with and without their suffix, to the photos of that name."""
    index: dict[str, list[str]] = {}
    for file in files:
        if file.suffix.lower() in SUFFIXES and not file.name.startswith("."):
            # A photo outside the root keeps its whole path.
            name = (file.relative_to(root) if file.is_relative_to(root) else file).as_posix()
            for key in (meaning(file.name), _any_suffix(file.name)):
                index.setdefault(key, []).append(name)
    return index


def _meant(name: str, index: Mapping[str, list[str]]) -> str | None:
    """Return the single photo of that name: with the same suffix, or else with any one."""
    base = _base(name)
    candidates = index.get(meaning(base)) or index.get(_any_suffix(base), [])
    return candidates[0] if len(candidates) == 1 else None


def _base(name: str) -> str:
    return posixpath.basename(name.replace("\\", "/"))


def _any_suffix(base: str) -> str:
    """Return the meaning of a name with any suffix of a photo, unlike that of any whole name."""
    return f"{meaning(_stem(base))}/"


def meaning(name: str) -> str:
    """Return the same text for names that differ in capitals and in the Unicode form alone."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def _stem(name: str) -> str:
    """Return the name without the suffix of a photo."""
    stem, suffix = posixpath.splitext(name)
    return stem if suffix.lower() in SUFFIXES else name


def _parent(name: str) -> str:
    return posixpath.normpath(posixpath.dirname(name.replace("\\", "/")))


def _common_tail(folder: str, stated: str) -> int:
    """Return how many folders, from the innermost outwards, have the same names."""
    common = 0
    for one, other in zip(reversed(meaning(folder).split("/")), reversed(meaning(stated).split("/")), strict=False):
        if one != other:
            break
        common += 1
    return common


def _holds_no_photos(folder: str) -> bool:
    return any(part in folder.lower() for part in NO_PHOTOS)
