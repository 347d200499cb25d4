"""Scenes that were made before: what their records tell of the work, and `ilrm refine`, which goes on with one."""

from dataclasses import dataclass, fields, replace
from pathlib import Path

import torch

from ilrm_cli.capture.input_hash import inputs_sha256, poses_sha256
from ilrm_cli.capture.photos.folder import ProjectFolder, open_folder
from ilrm_cli.geometry.transforms import Similarity
from ilrm_cli.geometry.views import Capture
from ilrm_cli.pipeline.fit_photos import fit_photos
from ilrm_cli.pipeline.object_photo import ASSUMED
from ilrm_cli.pipeline.optimize.course import Begun, Running, Taken
from ilrm_cli.pipeline.predict import Prediction
from ilrm_cli.pipeline.prepare import Prepared, load_photos, normalized
from ilrm_cli.pipeline.reconstruct import EarlierScene, Reconstruction, fit_key, load, posed_photos
from ilrm_cli.pipeline.refine_poses import corrected, posed_as_recorded
from ilrm_cli.pipeline.scoring import judged
from ilrm_cli.pipeline.select_inputs import Selection, select_again
from ilrm_cli.pipeline.settings import FurtherSettings, Settings, check_ranges, with_old_usual
from ilrm_cli.runtime.cache import sha256_of
from ilrm_cli.runtime.devices import precision_named, resolve_device
from ilrm_cli.runtime.errors import InputError, listed
from ilrm_cli.runtime.json_values import fitted
from ilrm_cli.runtime.progress import Report, Stage, Stopwatch, ignore
from ilrm_cli.scene.checks import existing_record, index_in, names_record
from ilrm_cli.scene.files import decode_scene
from ilrm_cli.scene.record import SceneRecord, read_record, required_photo_folder, scene_of, written_as


@dataclass(frozen=True)
class RecordedScene:
    """A scene, and the work that its record tells of."""

    file: Path  # as it was written
    named: Path  # the file that is meant: the same, or the scene in another format
    record_file: Path
    record: SceneRecord
    sha256: str  # of the scene as it was written
    settings: Settings  # as computed then
    photos: Path  # the folder or video
    folder: ProjectFolder

    @property
    def begun_at(self) -> Begun:
        """Where the fit began, if there was one; those of before there was a choice began at the prediction."""
        figures = self.record.optimize or {}
        return "points" if figures.get("begun_at") == "points" else "prediction"

    @property
    def taken(self) -> Taken | None:
        """The course that a fit took whose end was not told by its settings alone; None: its settings told it."""
        figures = self.record.optimize or {}
        if self.settings.minutes is None and "stopped" not in (figures.get("ended"), figures.get("final_ended")):
            return None
        known = {field.name: figures[field.name] for field in fields(Taken) if field.name in figures}
        try:
            return fitted(known, Taken)
        except ValueError as error:
            raise InputError(f"the scene record {self.record_file} is damaged (optimize: {error}).") from error


def recorded_scene(scene: Path, photos: Path | None = None) -> RecordedScene:
    """Read the record `scene`, or the one beside that scene, and open its photos, or `photos` in their place.

    Raises InputError for a record that cannot be followed here.
    """
    record_file = existing_record(scene)
    record = read_record(record_file)
    if record.ply_sha256 is None:
        raise InputError(f"{record_file} does not say what its scene file was; make the scene again with this version.")
    settings = as_computed(settings_of(record, record_file), record)
    place = photos or required_photo_folder(record, record_file)
    file = written_as(record, record_file)
    named = scene_of(record, record_file) if names_record(scene) else index_in(scene) or scene
    folder = open_folder(place, record.given)
    return RecordedScene(file, named, record_file, record, record.ply_sha256, settings, place, folder)


def settings_of(record: SceneRecord, record_file: Path) -> Settings:
    """Return the settings of the recorded scene; settings unknown to older versions have the default of then.

    Raises InputError for settings of another version that are unknown here, and for damaged ones.
    """
    if not record.settings:
        raise InputError(f"{record_file} does not say with which settings the scene was made; make it again.")
    if unknown := [name for name in record.settings if name not in Settings.__dataclass_fields__]:
        raise InputError(
            f"{record_file} has settings that this version of ilrm does not know ({listed(unknown)}); "
            f"use ilrm {record.ilrm}, which made the scene."
        )
    try:
        settings = fitted(with_old_usual(record.settings), Settings)
        check_ranges(settings)
        return settings
    except (ValueError, InputError) as error:
        raise InputError(f"the scene record {record_file} is damaged (settings: {error}).") from error


def as_computed(settings: Settings, record: SceneRecord) -> Settings:
    """Replace the precision "auto" by the one chosen when the scene was made."""
    if settings.precision != "auto":
        return settings
    return replace(settings, precision=precision_named(record.machine.get("precision", "")))


def fit_further(
    before: RecordedScene, wanted: FurtherSettings, report: Report = ignore, *, running: Running = Running()
) -> Reconstruction:
    """Fit a scene that was made before further to the photos that it was made from, as `reconstruct` would.

    A draft is thinned to begin with, as a prediction is; what was fitted before stays whole.
    `running` tells what may end the fit early. Raises InputError if the photos, or their poses, are no longer those
    that the record tells of.
    """
    watch, record = Stopwatch(), before.record
    settings = wanted.after(before.settings)
    if record.pose_card and record.pose_card.get("origin") == ASSUMED:
        raise InputError(f"{before.named} was made from a single photo, and a fit takes several with known poses.")
    start = decode_scene(before.named).gaussians.transformed(record.model_from_world)
    earlier = EarlierScene(before.named, sha256_of(before.named))
    with watch.stage(Stage.POSES):
        _require_the_same(before, inputs_sha256(before.folder, settings.camera), record.inputs_sha256, "photos")
        capture = posed_photos(before.folder, settings, report)
        _require_the_same(before, poses_sha256(capture), record.poses_sha256, "camera poses")
        posed = posed_as_recorded(capture, record)
        chosen = photos_as_recorded(record, posed, settings.hold_out)
    loaded = load(settings, report, watch)
    with watch.stage(Stage.LOAD):
        device = resolve_device(settings.device)
        prepared = _prepared_as_recorded(record, posed, chosen, report).to(device)
        draft = record.optimize is None and record.refine is None
        predicted = Prediction(start.to(device), torch.ones(len(start), device=device) if draft else None)
    with watch.stage(Stage.OPTIMIZE):
        key = fit_key(capture, settings, earlier.sha256)
        fit = fit_photos(None, predicted, prepared, chosen, settings, running=running, key=key, report=report)
    told = judged(fit.optimized.gaussians, prepared, chosen, settings, watch, report, fit=fit)
    return Reconstruction(
        settings=settings,
        model=replace(loaded.identity, name=record.model["name"], sha256=record.model["sha256"]),
        capture=capture,
        selection=chosen,
        prepared=corrected(prepared, chosen, fit.corrections),
        scale=None,
        prediction=predicted,
        refinement=None,
        fit=fit,
        trusted=told.trusted,
        score=told.score,
        score_as_given=told.score_as_given,
        refined_before=record.poses_refined,
        earlier=earlier,
        metres_per_unit=record.metres_per_unit,
        timings_s=watch.seconds,
        warnings=(*capture.warnings, *fit.warnings),
    )


def photos_as_recorded(record: SceneRecord, capture: Capture, hold_out: int) -> Selection:
    """Return the parts that photos play in the recorded scene; photos of a draft that are no inputs are fitted now."""
    names = {role: [view.name for view in record.views if view.role == role] for role in ("input", "held_out")}
    held_out = names["held_out"] if record.optimize else None
    if record.optimize and record.optimize.get("last_steps"):
        held_out = []  # the scene has seen them: they can no longer judge it
    return select_again(capture, names["input"], held_out, [photo.name for photo in record.left_out], hold_out)


def _prepared_as_recorded(record: SceneRecord, capture: Capture, chosen: Selection, report: Report) -> Prepared:
    """Return the inputs and the photos that score, of the recorded size, in the recorded normalised frame."""
    turn = torch.tensor(record.frame_from_input, dtype=torch.float64)
    origin = torch.tensor(record.origin or (0.0, 0.0, 0.0), dtype=torch.float64)
    normalized_from_input = record.model_from_world.after(Similarity(1.0, turn, -(turn @ origin)))
    view = next(view for view in record.views if view.role == "input")
    inputs, targets = load_photos(chosen.used, chosen.scored, view.width, view.height, report)
    return normalized(inputs, targets, capture.points, normalized_from_input)


def _require_the_same(before: RecordedScene, now: str, then: str | None, what: str) -> None:
    if then != now:
        raise InputError(
            f"the {what} in {before.photos} are not those that {before.named} was made from; make the scene again."
        )
