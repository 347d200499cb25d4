"""Photos that other tools know by another spelling of their names than the files have.

A name is taken by its content: capital letters do not count, nor the Unicode form of accents (macOS decomposes them),
nor which way slashes lean, nor the folders of the computer that the name was written on, nor a suffix that is missing
or, after a conversion, another one. What such a name leads to counts only if it is a single photo that no other name
claims. Several files of one shot, as cameras save them, are a single photo: the plainest, a JPEG before HEIC before
RAW.
"""

import os
import posixpath
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from ilrm_cli.capture.photos.listing import HEIC_SUFFIXES, PLAIN_SUFFIXES, RAW_SUFFIXES, SUFFIXES, Listing
from ilrm_cli.capture.photos.project_models import project_of

# Parts of the names of folders with pictures that are no photos but are named like them.
NO_PHOTOS = ("depth", "normal", "mask", "segment", "semantic", "confidence", "disparity")


def renamed_photos(root: Path, names: Iterable[str], listing: Listing, bare: bool = False) -> dict[str, str]:
    """Map names of photos that are not below `root` to the names of the files meant, relative to `root`.

    A folder that has some of the photos of a stated folder under their own names is that folder, where only spelling
    can differ. Otherwise the folder with most of the names is, if there is a single one. Names without a folder may
    mean photos in several folders: each its only one. So do `bare` names, whose source does not know folders as a rule
    and whose folders, if any, only settle ties.
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
        there = [name for name in taken if _parent(name) == stated]
        beside = folders.beside(stated, group)
        if not bare and (beside or there):
            found |= beside
            continue
        left = [name for name in group if name not in beside]
        scattered = bare or stated == "."
        found |= beside | folders.elsewhere(stated, left, [*there, *beside], scattered)
    claims = Counter(found.values())
    return {name: file for name, file in found.items() if claims[file] == 1 and file not in taken}


class _Folders:
    """The photos below a root, by folder and by what their names mean."""

    def __init__(self, root: Path, listing: Listing):
        self._root, self._listing = root, listing
        self._everywhere: dict[str, dict[str, list[str]]] | None = None  # meaning -> folder -> photos

    def beside(self, stated: str, names: list[str]) -> dict[str, str]:
        """Return which files in the folder of that very name the names mean."""
        index = _indexed(self._root, self._listing.files(self._root / stated))
        return {name: file for name in names if (file := _meant(name, index))}

    def elsewhere(self, stated: str, names: list[str], there: list[str], scattered: bool) -> dict[str, str]:
        """Return which files names of one stated folder mean, which has `there` under their own names.

        They are in one folder, or `scattered`: then those of several folders are taken from the one with most names,
        and the root itself comes before a folder with as many. Folders that hold photos of the names that are `there`
        hold copies.
        """
        copies = {folder for name in there for folder in self._folders_with(name)}
        held: dict[str, dict[str, str]] = {}  # folder -> name -> photo
        for name in names:
            for folder, photos in self._folders_with(name).items():
                if folder not in copies and (photo := _one(photos)):
                    held.setdefault(folder, {})[name] = photo
        # Projects of their own hold undistorted copies.
        held = {folder: photos for folder, photos in held.items() if not self._is_of_another(folder)} or held
        tails = {folder: _common_tail(folder, stated) for folder in held}
        if scattered:  # of folders that are called as stated, no others count
            held = {folder: photos for folder, photos in held.items() if tails[folder] == max(tails.values())}
        if not held:
            return {}
        rank = {folder: (len(photos), tails[folder], scattered and folder == ".") for folder, photos in held.items()}
        most = max(held, key=lambda folder: rank[folder])
        first = held[most] if list(rank.values()).count(rank[most]) == 1 else {}
        if scattered and any(photos.keys() - held[most].keys() for photos in held.values()):
            counts = Counter(name for photos in held.values() for name in photos)
            only = {name: photo for photos in held.values() for name, photo in photos.items() if counts[name] == 1}
            return only | first
        return first

    def _is_of_another(self, folder: str) -> bool:
        return project_of(self._root / folder, self._root, self._listing) is not None

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
    return _one(index.get(meaning(base)) or index.get(_any_suffix(base), []))


def _one(photos: list[str]) -> str | None:
    """Return the plainest of the files of one shot; None where several are as plain, or there is none."""
    for suffixes in (PLAIN_SUFFIXES, HEIC_SUFFIXES, RAW_SUFFIXES):
        if plainest := [photo for photo in photos if posixpath.splitext(photo)[1].lower() in suffixes]:
            return plainest[0] if len(plainest) == 1 else None
    return None


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
