"""One photo of an object, for models that need no poses: cut out, and seen from where the model takes it to be."""

from dataclasses import replace

import numpy as np

from ilrm_cli.capture.photos.cut_out import read_cut_out
from ilrm_cli.capture.photos.folder import ProjectFolder
from ilrm_cli.geometry.cameras import Lens
from ilrm_cli.geometry.transforms import Similarity
from ilrm_cli.geometry.views import Capture, PosedPhoto
from ilrm_cli.models.base import Network
from ilrm_cli.models.checkpoint import LoadedModel
from ilrm_cli.pipeline.prepare import Prepared
from ilrm_cli.pipeline.select_inputs import Selection
from ilrm_cli.pipeline.settings import Settings, option_of
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.runtime.progress import Report, ignore

# Settings that mean nothing for one photo, which becomes a cut-out of the model's own size, from its own camera.
OF_SEVERAL = (
    "quality", "refine", "refine_poses", "geometry", "minutes", "fit_side_px", "views", "long_side_px", "poses",
    "camera", "hold_out", "use_all", "auto_scale", "scale_from", "fps", "max_frames",
)  # fmt: skip
ASSUMED = "model"  # origin of the pose: the model takes it for granted
NEAREST = 0.1  # depth of the nearest surface, at least, over the distance of the middle


def object_photo(folder: ProjectFolder, loaded: LoadedModel, report: Report = ignore) -> tuple[Capture, Prepared]:
    """Return the one photo of a folder with the camera that the model takes it to be from, and the view it gets.

    Raises InputError if there is not exactly one photo, or if it is not cut out and cannot be.
    """
    if len(folder.photos) != 1:
        there = f"{len(folder.photos)} photos" if folder.photos else "no photo"
        raise InputError(
            f"the model {loaded.name} takes one photo of an object, and {folder.place} holds {there}; name one."
        )
    (path,) = folder.photos
    name = path.relative_to(folder.root).as_posix()
    prepared = prepared_object(loaded.model, read_cut_out(path, folder.masks.get(name), report))
    cameras = prepared.inputs.cameras
    params = (*cameras.focal_px[0].tolist(), *cameras.center_px[0].tolist())
    lens = Lens("PINHOLE", params, cameras.width, cameras.height)
    posed = PosedPhoto(name, path, lens, cameras.world_from_cam[0].double().numpy(), mask=folder.masks.get(name))
    nothing = np.zeros((0, 3))
    return Capture((posed,), 1, ASSUMED, nothing, root=folder.root, given=folder.given), prepared


def prepared_object(model: Network, cut_out: np.ndarray) -> Prepared:
    """Return the view that the model gets, in the model's own frame, with an object around the origin."""
    view = model.view_of(cut_out)
    distance = float(view.cameras.positions[0].norm())
    depth_range = (NEAREST * distance, (2 - NEAREST) * distance)
    return Prepared(view, None, depth_range, Similarity.identity())


def the_photo(capture: Capture) -> Selection:
    """Return the parts that photos play: the only one is the input."""
    return Selection(capture.photos, (), (), ())


def without_fit(settings: Settings) -> Settings:
    """Return the settings for a single photo. Raises InputError for what is asked of several photos, or of poses."""
    usual = Settings(quality="draft" if settings.quality == "draft" else None)
    if asked := [name for name in OF_SEVERAL if getattr(settings, name) != getattr(usual, name)]:
        option = option_of(asked[0] if getattr(settings, asked[0]) is not False else f"no_{asked[0]}")
        raise InputError(
            f"{option} is for several photos of known size and pose, and the model takes a single one as it is; leave "
            "it out."
        )
    return replace(settings, quality="draft")
