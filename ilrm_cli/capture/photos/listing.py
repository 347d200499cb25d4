"""Names of photos, videos and masks in folders, each folder read once.

Nothing is opened, and nothing heavy is imported.
"""

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from ilrm_cli.runtime.errors import InputError

PLAIN_SUFFIXES = frozenset({".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".webp", ".avif", ".tif", ".tiff"})
HEIC_SUFFIXES = frozenset({".heic", ".heif", ".hif"})
RAW_SUFFIXES = frozenset(
    {".dng", ".cr2", ".cr3", ".crw", ".nef", ".nrw", ".arw", ".sr2", ".raf", ".orf", ".rw2", ".pef", ".srw", ".3fr"}
)
SUFFIXES = PLAIN_SUFFIXES | HEIC_SUFFIXES | RAW_SUFFIXES
VIDEO_SUFFIXES = frozenset({".mp4", ".mov", ".mkv", ".avi", ".webm", ".m4v", ".mts", ".m2ts", ".3gp"})
PHOTO_FOLDERS = ("images", "input")  # of COLMAP, nerfstudio and 3DGS projects
REDUCED = "images_"  # start of the names of folders with reduced copies of `images`
MASK_FOLDERS = ("masks", "mask", ".mask")  # in any case; the last is RealityCapture's
MASK_ENDS = ("_mask", "-mask", ".mask")  # of the names of masks, before the suffix
LAYER_ENDS = (*MASK_ENDS, "@mask", "#mask", "!mask")  # the same after the whole name of a photo, as of RealityCapture
MASK_SUFFIXES = (".png", ".jpg", ".tif")
STEM_ENDS = tuple(f"{end}{suffix}" for end in MASK_ENDS for suffix in MASK_SUFFIXES)
NAME_ENDS = tuple(f"{end}{suffix}" for end in LAYER_ENDS for suffix in MASK_SUFFIXES)
# Of macOS's archives, with files that only look like photos; and of Synology's disks, with small copies.
LITTER_FOLDERS = ("__MACOSX", "@eaDir")


# Words in the names of pictures, and of folders, that data sets and phones keep beside photos and that are none.
DEPTHS = frozenset(("depth", "depths", "depthmap", "depthmaps", "disparity"))
# Of folders whose names have no words but these and the ones after them, unlike "normal lens".
MAPS = frozenset(("normal", "normals", "confidence", "semantic", "semantics", "segmentation", "segmentations"))
MAP_SUFFIXES = (".png", ".tif", ".tiff")  # of maps beside photos: others would lose what they measure
OF_MAPS = frozenset(("map", "maps", "mono", "lowres", "highres"))


class Listing:
    """The names in folders, each folder read when it is first asked for and never again."""

    def __init__(self) -> None:
        self._read: dict[Path, tuple[list[Path], list[Path]]] = {}  # folder -> its files, its folders
        self._is_folder: dict[Path, bool] = {}
        self._by_name: dict[Path, dict[str, Path]] = {}  # folder -> name, also without capitals -> file

    def is_folder(self, path: Path) -> bool:
        """Return whether this is a folder, or a link to one."""
        if path not in self._is_folder:
            self._is_folder[path] = os.path.isdir(path)
        return self._is_folder[path]

    def files(self, folder: Path) -> list[Path]:
        """Return the files in a folder; none if there is no such folder. Raises OSError if it cannot be read."""
        return self._entries(folder)[0]

    def folders(self, folder: Path) -> list[Path]:
        """Return the folders in a folder, sorted, links to folders among them."""
        return self._entries(folder)[1]

    def stored(self, path: Path) -> Path | None:
        """Return the file of this name, maybe with other capitals; None if there is none or it cannot be seen."""
        folder = path.parent
        if folder not in self._by_name:
            seen = self.files(folder) if os.access(folder, os.R_OK | os.X_OK) else []
            self._by_name[folder] = {file.name.lower(): file for file in seen} | {file.name: file for file in seen}
        return self._by_name[folder].get(path.name) or self._by_name[folder].get(path.name.lower())

    def below(self, folder: Path) -> Iterator[Path]:
        """Yield the files at and below a folder.

        Hidden files and folders, litter, folders that cannot be read and links to folders are passed over.
        """
        ahead = [folder]
        while ahead:
            here = ahead.pop()
            yield from (file for file in self.files(here) if not file.name.startswith("."))
            ahead += [inner for inner in reversed(self.folders(here)) if is_open(inner)]

    def photos(self, folder: Path) -> list[Path]:
        """Return the photos of a folder in natural order, or those of all its subfolders if it has none itself.

        Hidden files and folders, folders of masks and masks beside their photos are ignored; so are depth maps and the
        like, unless nothing else is there.
        """
        pictures = without_masks(self._of_kind(folder, SUFFIXES))
        photos = without_maps(folder, pictures)
        return photos if photos or self.videos(folder) else pictures

    def videos(self, folder: Path) -> list[Path]:
        """Return the videos of a folder as `photos` does."""
        return self._of_kind(folder, VIDEO_SUFFIXES)

    def pictures(self, folder: Path) -> list[Path]:
        """Return all pictures at and below a folder, as `photos` without precedence does."""
        return without_masks(self._below_of_kind(folder, SUFFIXES))

    def reduced(self, folder: Path) -> list[Path]:
        """Return the folders with reduced copies in a project's folder."""
        return [inner for inner in self.folders(folder) if inner.name.startswith(REDUCED)]

    def _entries(self, folder: Path) -> tuple[list[Path], list[Path]]:
        if folder not in self._read:
            files: list[Path] = []
            folders: list[Path] = []
            if self.is_folder(folder):
                with os.scandir(folder) as entries:
                    for entry in entries:
                        if entry.is_dir():
                            folders.append(folder / entry.name)
                        elif entry.is_file():
                            files.append(folder / entry.name)
            self._read[folder] = files, sorted(folders)
        return self._read[folder]

    def _of_kind(self, folder: Path, suffixes: frozenset[str]) -> list[Path]:
        directly = [path for path in self.files(folder) if _is_of(path, suffixes)]
        return sorted(directly or self._below_of_kind(folder, suffixes), key=natural_order)

    def _below_of_kind(self, folder: Path, suffixes: frozenset[str]) -> list[Path]:
        found, masks = (path for path in self.below(folder) if _is_of(path, suffixes)), {*MASK_FOLDERS}
        return [path for path in found if masks.isdisjoint(map(str.lower, path.relative_to(folder).parts[:-1]))]


def is_open(folder: Path) -> bool:
    """Return whether what lies below a folder is looked at."""
    passed_over = folder.name.startswith(".") or folder.name in LITTER_FOLDERS or folder.is_symlink()
    return not passed_over and os.access(folder, os.R_OK | os.X_OK)


def _is_of(path: Path, suffixes: frozenset[str]) -> bool:
    return path.suffix.lower() in suffixes and not path.name.startswith(".")


def check_names(paths: Iterable[Path]) -> None:
    """Raise InputError for a name that is not UTF-8, which no record could hold."""
    for path in paths:
        try:
            str(path).encode()
        except UnicodeEncodeError as error:
            shown = os.fsencode(path).decode(errors="backslashreplace")
            raise InputError(
                f"the name {shown} is not in UTF-8, so no record could hold it; rename this file and others like it."
            ) from error


def is_photo(path: Path) -> bool:
    """Return whether this is a file named as a photo."""
    return _is_of(path, SUFFIXES) and path.is_file()


def is_video(path: Path) -> bool:
    """Return whether this is a video file."""
    return path.suffix.lower() in VIDEO_SUFFIXES and os.path.isfile(path)


def natural_order(path: Path) -> tuple[tuple[int, int, str], ...]:
    """Return a sort key by which `frame_2` comes before `frame_10`."""
    parts = re.split(r"(\d+)", path.as_posix())
    return tuple((1, int(part), part) if part.isdecimal() else (0, 0, part) for part in parts)


def photo_folder(folder: Path, listing: Listing) -> Path:
    """Return a project's photo folder: its `images` or `input` subfolder if that has photos, else the folder itself."""
    return next((folder / name for name in PHOTO_FOLDERS if listing.photos(folder / name)), folder)


def find_mask(root: Path, name: str, listing: Listing) -> Path | None:
    """Return the mask of the photo `name` below `root`, or None.

    Searched in a folder `masks` or `mask` in `root` and, by the file's name alone, in the folder of the photo; and if
    one of these two is named `images` or `input`, or like reduced copies `images_4`, also beside it. The mask is named
    as COLMAP expects, `name.jpg.png`, or `name.png`, or exactly as the photo, or as Metashape does, `name_mask.png`, or
    as RealityCapture does, `name.jpg.mask.png`. Last of all, it lies beside the photo as `name.jpg.png`,
    `name_mask.png` or `name.jpg.mask.png`. Capital letters do not count.
    """
    named = [file for folder, inside in _mask_places(root, name, listing) for file in _named(folder, inside)]
    return next((file for path in (*named, *_beside(root / name)) if (file := listing.stored(path))), None)


def without_masks(pictures: Sequence[Path]) -> list[Path]:
    """Return the pictures that are not the mask of another one that lies beside it."""
    masks = {(str(picture.parent).lower(), name.lower()) for picture in pictures for name in _names_beside(picture)}
    return [one for one in pictures if (str(one.parent).lower(), one.name.lower()) not in masks]


def without_maps(root: Path, pictures: Sequence[Path]) -> list[Path]:
    """Return the pictures that are not named as depth maps and the like: by folders, or beside a photo of the number.

    `root` is the folder that they were looked for in, whose own name does not count.
    """
    maps = {folder for folder in {one.parent for one in pictures} if any(map(_of_maps, folder.relative_to(root).parts))}
    shown = [one for one in pictures if one.parent not in maps]
    named = {one for one in shown if one.suffix.lower() in MAP_SUFFIXES and not DEPTHS.isdisjoint(_words(one.stem))}
    numbers = {_number_of(one) for one in shown if one not in named} - {None}
    return [one for one in shown if one not in named or _number_of(one) not in numbers]


def _of_maps(folder: str) -> bool:
    words = _words(folder)
    told = not MAPS.isdisjoint(words) and words <= MAPS | OF_MAPS and words != {"normal"}  # which may be a lens
    return told or not DEPTHS.isdisjoint(words)


def _words(name: str) -> set[str]:
    return set(re.findall(r"[a-z]+", name.lower()))


def _number_of(picture: Path) -> tuple[Path, str] | None:
    """Return the folder and all numbers in the name of a picture; None if there are none."""
    numbers = " ".join(re.findall(r"\d+", picture.stem))
    return (picture.parent, numbers) if numbers else None


def masks_without_photo(root: Path, names: Iterable[str], listing: Listing) -> list[Path]:
    """Return the pictures in these photos' mask folders that are not the mask of any of the photos."""
    places = {place for name in names for place in _mask_places(root, name, listing)}
    known = {str(file).lower() for folder, inside in places for file in _named(folder, inside)}
    there = {file for folder in {folder for folder, _ in places} for file in listing.pictures(folder)}
    return sorted((file for file in there if str(file).lower() not in known), key=natural_order)


def _mask_places(root: Path, name: str, listing: Listing) -> list[tuple[Path, Path]]:
    """Return (existing folder of masks, path of the photo relative to it), in order of precedence."""
    photo, home = Path(name), (root / name).parent
    places = [(place, photo) for place in _with_sibling(root)]
    places += [(place, Path(photo.name)) for place in _with_sibling(home) if home != root]
    return [(folder, inside) for place, inside in places for folder in mask_folders(place, listing)]


def mask_folders(place: Path, listing: Listing) -> list[Path]:
    """Return the folders of masks in a folder."""
    exact = [place / name for name in MASK_FOLDERS if listing.is_folder(place / name)]
    if exact or not os.access(place, os.R_OK | os.X_OK):
        return exact
    return [folder for folder in listing.folders(place) if folder.name.lower() in MASK_FOLDERS]


def _named(folder: Path, photo: Path) -> tuple[Path, ...]:
    """Return the possible paths of a photo's mask in a folder."""
    first = (photo.with_name(f"{photo.name}.png"), photo.with_suffix(".png"), photo)
    return tuple(folder / name for name in (*first, *_beside(photo)))


def _beside(photo: Path) -> tuple[Path, ...]:
    """Return the possible paths of a photo's mask in a folder that may be the photo's own."""
    return tuple(photo.with_name(name) for name in _names_beside(photo))


def _names_beside(photo: Path) -> list[str]:
    name, stem = photo.name, photo.stem
    return [f"{name}.png", *(stem + end for end in STEM_ENDS), *(name + end for end in NAME_ENDS)]


def _with_sibling(folder: Path) -> list[Path]:
    """Return the folder, and its parent if the folder holds the photos of a project."""
    holds_photos = folder.name in PHOTO_FOLDERS or folder.name.startswith(REDUCED)
    return [folder, folder.parent] if holds_photos else [folder]


def place_of(folder: Path, names: Sequence[str], root: Path | None = None) -> Path:
    """Return the folder below which most of the names are photos, preferably `root`, then `folder`.

    The others are those where tools have photos in a folder or beside it. Views of a 360 degree photo are below its
    name.
    """
    inside = [*(folder / name for name in PHOTO_FOLDERS), *sorted(folder.glob(f"{REDUCED}*"))]
    beside = [folder.parent / name for name in PHOTO_FOLDERS]
    places = [*([] if root is None else [root]), *_with_sibling(folder), *inside, *beside]
    return max(places, key=lambda place: sum(os.path.isfile(place / n) or is_photo((place / n).parent) for n in names))
