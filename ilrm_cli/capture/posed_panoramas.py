"""360 degree photos with poses of another tool, cut into perspective views whose poses follow."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from ilrm_cli.capture.filter_photos import find_unusable
from ilrm_cli.capture.photos.header import photo_header
from ilrm_cli.capture.photos.round_lenses import cut_panoramas, lens_of_view, turn_of_view
from ilrm_cli.capture.poses.lenses import fits, turned_pose
from ilrm_cli.capture.poses.pose_set import Pose
from ilrm_cli.geometry.cameras import Lens
from ilrm_cli.geometry.views import PosedPhoto
from ilrm_cli.runtime.progress import Report


@dataclass
class CutPanoramas:
    """What became of 360 degree photos."""

    views: dict[str, PosedPhoto] = field(default_factory=dict)
    cut: set[str] = field(default_factory=set)  # names of the photos that the views are of
    unusable: dict[str, str] = field(default_factory=dict)  # name of a photo or of one of `views` -> why
    misfits: set[str] = field(default_factory=set)  # names of photos of another shape


def cut_posed_panoramas(
    poses: Mapping[str, Pose], paths: Mapping[str, Path], masks: Mapping[str, Path], report: Report
) -> CutPanoramas:
    """Return the views of these photos, named after them, with masks where they have any."""
    told = CutPanoramas()
    turns: dict[str, int] = {}
    for name, pose in sorted(poses.items()):
        header = photo_header(paths[name])
        if fits(pose.lens, header.width, header.height) and header.quarter_turns in (0, 2):
            turns[name] = header.quarter_turns
        else:
            told.misfits.add(name)
    cut, told.unusable = cut_panoramas({name: paths[name] for name in turns}, masks, report)
    told.cut = {*cut}
    for name, views in cut.items():
        pose = poses[name]
        for view, (path, mask) in views.items():
            world_from_view = turned_pose(pose.world_from_cam, turns[name])
            world_from_view[:3, :3] = world_from_view[:3, :3] @ turn_of_view(view)
            lens = lens_of_view(path)
            points = None if pose.points is None else _inside(pose.points, lens, world_from_view)
            told.views[f"{name}/{view}"] = PosedPhoto(f"{name}/{view}", path, lens, world_from_view, points, mask)
    shown = {name: view.mask for name, view in told.views.items() if view.mask is not None}
    told.unusable |= find_unusable({name: told.views[name].path for name in shown}, shown)
    return told


def _inside(
    points: Float64[ndarray, "point 3"], lens: Lens, world_from_cam: Float64[ndarray, "4 4"]
) -> Float64[ndarray, "some 3"]:
    """Return the points that a pinhole camera sees."""
    local = (points - world_from_cam[:3, 3]) @ world_from_cam[:3, :3]
    with np.errstate(divide="ignore", invalid="ignore"):
        pixels = local[:, :2] / local[:, 2:] * lens.params[:2] + lens.params[2:]
    return points[(local[:, 2] > 0) & (pixels >= 0).all(1) & (pixels < (lens.width, lens.height)).all(1)]
