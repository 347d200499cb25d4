"""Folders that hold several places: no photos themselves, but folders of photos.

Names of files alone are looked at; nothing heavy is imported.
"""

import re
from pathlib import Path
from shlex import quote

from ilrm_cli.capture.photos.listing import SUFFIXES, VIDEO_SUFFIXES, Listing
from ilrm_cli.capture.photos.other_tools import find_tool_poses
from ilrm_cli.capture.photos.project_models import find_model, find_transforms
from ilrm_cli.runtime.errors import listed

LEAST_PLACES = 2
# Names of folders that hold parts of one capture: its pictures of several kinds and sizes, or those of a rig's cameras.
KINDS = "images? input rgb masks? depths? normals? cam(?:era)?s? left right front back"
PARTS = re.compile(rf"(?:{KINDS.replace(' ', '|')})[ _-]?\d*", re.IGNORECASE)


def places_in(folder: Path, listing: Listing) -> list[Path]:
    """Return the folders of photos, or of a video, in a folder that holds none itself; none if it is one capture.

    It is one where it holds poses, and where its folders are called like parts of a capture (see PARTS).
    """
    try:
        if find_model(folder, listing) or find_transforms(folder) or any(find_tool_poses(folder, listing)):
            return []
        if any(file.suffix.lower() in SUFFIXES | VIDEO_SUFFIXES for file in listing.files(folder)):
            return []
        named = [path for path in listing.folders(folder) if not path.name.startswith(".")]
        places = [path for path in named if listing.photos(path) or listing.videos(path)]
    except OSError:  # told by whoever opens it
        return []
    return [] if len(places) < LEAST_PLACES or any(PARTS.fullmatch(path.name) for path in places) else places


def taken_as_one(folder: Path, listing: Listing) -> tuple[str, ...]:
    """Return a warning if the photos of several places are about to become one scene."""
    if not (places := places_in(folder, listing)):
        return ()
    pattern = quote(str(folder / "*"))
    return (
        f"{folder} holds {len(places)} folders of photos ({listed(path.name for path in places)}), which are taken as "
        f"one place; for a scene of each: ilrm batch {pattern}",
    )
