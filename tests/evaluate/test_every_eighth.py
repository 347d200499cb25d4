"""Whole reconstructions are scored on photos that nothing else has looked at."""

import dataclasses
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ilrm_cli.evaluate import every_eighth
from ilrm_cli.evaluate.checks import Plan, Settings, check_plan, parse_qualities, reconstructions
from ilrm_cli.evaluate.protocols import find_scenes
from ilrm_cli.evaluate.results import Judge, SceneFailure, SceneResult
from ilrm_cli.evaluate.run import evaluate, start
from ilrm_cli.geometry.cameras import Lens
from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.geometry.views import Capture, PosedPhoto
from ilrm_cli.runtime.errors import InputError

SAMPLE = Path(__file__).parents[2] / "sample_scenes" / "posed"
SCORING = ("001.jpg", "009.jpg")  # of the twelve photos there
PLAN = Plan("every-eighth", views=(3,), long_side_px=64)
ASKED = Settings(refine=2, qualities=("draft", "standard"), device="cpu")
METHODS = ["draft", "standard", "standard from sparse points"]


@pytest.fixture
def small_inputs(monkeypatch: pytest.MonkeyPatch, tiny_efforts: None) -> None:
    """Give the model small images."""

    def small(plan: Plan, settings: Settings):
        return tuple(dataclasses.replace(one, long_side_px=64) for one in reconstructions(plan, settings))

    monkeypatch.setattr("ilrm_cli.evaluate.run.reconstructions", small)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Gaussians]:
    """Return the scenes that are scored, as they are."""
    scenes: list[Gaussians] = []

    class Recording(Judge):
        def pictures(self, gaussians: Gaussians, background: torch.Tensor | None = None) -> Iterator[torch.Tensor]:
            scenes.append(gaussians)
            return super().pictures(gaussians, background)

    monkeypatch.setattr(every_eighth, "Judge", Recording)
    return scenes


def evaluated(folder: Path, plan: Plan = PLAN, settings: Settings = ASKED) -> SceneResult | SceneFailure:
    refs, _ = find_scenes(plan, [folder])
    (result,) = evaluate(start(plan, settings), refs, plan, settings)
    return result


def with_noise(folder: Path, names: tuple[str, ...]) -> Path:
    """Copy the sample scene, with noise in place of some photos."""
    shutil.copytree(SAMPLE, folder)
    for name in names:
        path = folder / "images" / name
        with Image.open(path) as photo:
            shape = (photo.height, photo.width, 3)
        Image.fromarray(np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)).save(path)
    return folder


def same(one: Gaussians, other: Gaussians) -> bool:
    return all(map(torch.equal, one.tensors(), other.tensors()))


@pytest.mark.usefixtures("small_inputs")
def test_photos_that_score_change_the_scores_and_nothing_else(tmp_path: Path, drawn: list[Gaussians]):
    results = [evaluated(folder) for folder in (SAMPLE, with_noise(tmp_path / "unlike", SCORING))]
    assert [trial.method for trial in results[0].trials] == METHODS
    scenes, again = drawn[:3], drawn[3:]
    assert all(map(same, scenes, again))
    assert not same(scenes[1], scenes[2])
    for trial, worse in zip(*(result.trials for result in results), strict=True):
        assert [score.view for score in trial.scores] == list(SCORING)
        assert (worse.psnr, worse.ssim) < (trial.psnr, trial.ssim)
        assert (worse.gaussians, worse.iterations) == (trial.gaussians, trial.iterations)


@pytest.mark.usefixtures("small_inputs")
def test_scenes_are_fitted_to_the_other_photos(tmp_path: Path, drawn: list[Gaussians]):
    fits = dataclasses.replace(ASKED, refine=0, qualities=("standard",))
    for folder in (SAMPLE, with_noise(tmp_path / "unlike", ("006.jpg",))):
        assert evaluated(folder, settings=fits).trials[1].iterations == 16
    (_, from_points), (_, unlike) = drawn[:2], drawn[2:]
    assert not same(from_points, unlike)


@pytest.mark.usefixtures("small_inputs")
def test_scenes_are_scored_at_the_size_asked_for():
    drafts = dataclasses.replace(ASKED, refine=0, qualities=("draft",))
    for plan, size in ((PLAN, (64, 43)), (Plan("every-eighth", views=(3,)), (480, 320))):
        result = evaluated(SAMPLE, plan, drafts)
        assert (result.width, result.height) == size
        assert result.shown.truth.shape[2:] == result.shown.ours.shape[2:] == (size[1], size[0])
        (draft,) = result.trials
        assert (draft.method, draft.views, draft.refined, draft.iterations) == ("draft", 10, False, None)
        assert draft.cpu_seconds > 0
        assert result.photos == 12


@pytest.mark.parametrize(("photos", "held"), [(1, [0]), (2, [0]), (8, [0]), (9, [0, 8]), (20, [0, 8, 16])])
def test_the_split_is_by_name_and_holds_out_one_at_least(photos: int, held: list[int]):
    lens = Lens("PINHOLE", (60.0, 60.0, 32.0, 24.0), 64, 48)
    names = [f"{index:02d}.jpg" for index in range(photos)]
    shuffled = np.random.default_rng(0).permutation(photos)
    posed = tuple(PosedPhoto(names[i], Path(names[i]), lens, np.eye(4)) for i in shuffled)
    given, scoring = every_eighth.split(Capture(posed, photos, "colmap", np.zeros((0, 3))))
    assert [photo.name for photo in scoring] == [names[i] for i in held]
    assert [photo.name for photo in given.photos] == [names[i] for i in shuffled if i not in held]


def test_too_few_photos_fail_in_a_sentence(monkeypatch: pytest.MonkeyPatch):
    whole = every_eighth.read_folder

    def two(*args, **more):
        frames = whole(*args, **more)
        return dataclasses.replace(
            frames, capture=dataclasses.replace(frames.capture, photos=frames.capture.photos[:2])
        )

    monkeypatch.setattr(every_eighth, "read_folder", two)
    failed = evaluated(SAMPLE)
    assert isinstance(failed, SceneFailure)
    assert failed.reason.endswith("2 posed photos are too few to hold one out; take more.")


def test_a_time_is_for_the_fits():
    draft, standard = reconstructions(PLAN, Settings(refine=50, qualities=("draft", "standard"), minutes=1.5))
    assert (draft.minutes, standard.minutes) == (None, 1.5)
    with pytest.raises(InputError, match=r"--minutes 1.5 is for fits"):
        reconstructions(PLAN, Settings(qualities=("draft",), minutes=1.5))
    with pytest.raises(InputError, match="--minutes is for whole reconstructions"):
        reconstructions(Plan(), Settings(minutes=1.5))


def test_qualities_are_a_list_from_the_least_effort_on():
    assert parse_qualities("high,draft,high") == ("draft", "high")
    assert parse_qualities(None) == ()
    for wrong in ("best", "draft,", "draft high"):
        with pytest.raises(InputError, match=r"--quality .*: name draft, standard, high, with commas"):
            parse_qualities(wrong)


def test_refinement_is_for_the_draft():
    both = reconstructions(PLAN, Settings(refine=50, qualities=("draft", "high"), model="m"))
    assert [(one.settled_quality, one.refine, one.views, one.model) for one in both] == [
        ("draft", 50, 3, "m"),
        ("high", 0, 3, "m"),
    ]
    usual = [reconstructions(PLAN, Settings(refine=iterations))[0] for iterations in (0, 50)]
    assert [one.settled_quality for one in usual] == ["standard", "draft"]
    with pytest.raises(InputError, match="--refine fits to the inputs"):
        reconstructions(PLAN, Settings(refine=50, qualities=("standard", "high")))


def test_what_does_not_go_together_is_refused():
    with pytest.raises(InputError, match="add --protocol every-eighth"):
        reconstructions(Plan(), Settings(qualities=("high",)))
    with pytest.raises(InputError, match="takes one number of --views"):
        check_plan(Plan("every-eighth", views=(2, 4)), [SAMPLE])
    check_plan(Plan("every-eighth", views=(2,), poses="sfm"), [SAMPLE])
