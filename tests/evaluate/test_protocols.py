"""Tests of which frames are inputs and which are targets."""

import dataclasses
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ilrm_cli.evaluate.checks import Plan
from ilrm_cli.evaluate.protocols import (
    HOLDOUT_VIEWS,
    find_scenes,
    listed_frames,
    nested_inputs,
    open_scene,
    read_input_list,
)
from ilrm_cli.models.ilrm.config import PRESETS, IlrmConfig
from ilrm_cli.models.ilrm.contract import capabilities_of
from ilrm_cli.models.layers.config import MatchingConfig
from ilrm_cli.pipeline.choose_views import select_views
from ilrm_cli.runtime.errors import InputError
from tests.support.small_data_sets import arc, re10k_clip, write_dl3dv, write_re10k

SAMPLE = Path(__file__).parents[2] / "sample_scenes" / "posed"
OWN = capabilities_of(IlrmConfig(patch=4, max_views=12, long_side_px=256, matching=MatchingConfig()))


def test_smaller_sets_of_inputs_are_parts_of_larger_ones():
    poses = np.stack(arc(20))
    sets = nested_inputs(poses, range(20), (8, 2, 4), seed=0)
    assert [len(chosen) for chosen in sets] == [2, 4, 8]
    assert set(sets[0]) < set(sets[1]) < set(sets[2])
    assert sets[2] == select_views(poses, 8, seed=0)


def test_a_folder_scores_every_photo_that_is_no_input():
    plan = Plan(views=(2, 5))
    (ref,), _ = find_scenes(plan, [SAMPLE])
    split = open_scene(ref, plan, OWN)
    assert (ref.name, split.width, split.height) == ("posed", 256, 168)
    assert sorted({*split.inputs[1], *split.targets}) == list(range(12))
    assert len(split.targets) == 7


def test_without_a_number_a_folder_has_eight_inputs():
    (ref,), _ = find_scenes(Plan(), [SAMPLE])
    assert len(open_scene(ref, Plan(), OWN).inputs[0]) == 8


def test_no_photo_left_to_score_on_is_an_error():
    with pytest.raises(InputError, match="--views 12 of 12 posed photos leaves none"):
        open_scene(find_scenes(Plan(views=(12,)), [SAMPLE])[0][0], Plan(views=(12,)), OWN)


def test_scenes_of_one_name_are_told_apart(tmp_path):
    refs, _ = find_scenes(Plan(), [tmp_path / "a" / "x", tmp_path / "b" / "x", tmp_path / "y"])
    assert refs[2].name == "y"
    inner, _ = find_scenes(Plan(), [tmp_path / "0a1b" / "nerfstudio"])
    assert inner[0].name == "0a1b"
    assert len({ref.name for ref in refs}) == 3


@pytest.fixture(scope="module")
def re10k(tmp_path_factory):
    root = write_re10k(tmp_path_factory.mktemp("re10k"), [re10k_clip(key, arc(6), 640, 360) for key in ("a", "b")])
    index = root / "index.json"
    index.write_text(
        json.dumps({"a": None, "b": {"context": [0, 5], "target": [1, 3]}, "c": {"context": [0, 1], "target": [2]}})
    )
    return root, index


def test_re10k_takes_the_frames_of_its_index(re10k):
    root, index = re10k
    plan = Plan("re10k", index=index)
    refs, warnings = find_scenes(plan, [root])
    assert [ref.name for ref in refs] == ["b"]
    assert "only 1 of the 2 clips" in warnings[0]
    published = open_scene(refs[0], plan, capabilities_of(PRESETS["re10k"].config))
    assert (published.inputs, published.targets) == (((0, 5),), (1, 3))
    assert (published.width, published.height, published.normalisation) == (256, 256, "raw")
    assert open_scene(refs[0], plan, OWN).normalisation == "recentred"


def test_re10k_without_its_index_or_with_other_views_is_refused(re10k):
    root, index = re10k
    with pytest.raises(InputError, match="needs --index"):
        find_scenes(Plan("re10k"), [root])
    with pytest.raises(InputError, match="leave --views and --size out"):
        find_scenes(Plan("re10k", views=(4,), index=index), [root])


def test_dl3dv_scores_every_eighth_frame(tmp_path):
    write_dl3dv(tmp_path / "1K" / "0a1b", arc(20))
    plan = Plan("dl3dv", views=(4, 6))
    refs, _ = find_scenes(plan, [tmp_path])
    split = open_scene(refs[0], plan, capabilities_of(PRESETS["dl3dv"].config))
    assert (refs[0].name, split.targets, split.width, split.height) == ("0a1b", (0, 8, 16), 960, 544)
    assert not {*split.inputs[1]} & {*split.targets}
    small = open_scene(refs[0], Plan("dl3dv", views=(4,), long_side_px=448), capabilities_of(PRESETS["dl3dv"].config))
    assert (small.width, small.height) == (448, 256)
    of_objects = open_scene(refs[0], plan, replace(OWN, normalisation="centred"))
    assert (small.normalisation, of_objects.normalisation) == ("recentred", "centred")


def test_dl3dv_takes_listed_inputs(tmp_path):
    write_dl3dv(tmp_path / "0a1b", arc(9))
    shutil.copytree(tmp_path / "0a1b", tmp_path / "00ff")
    index = tmp_path / "kmeans.json"
    index.write_text(json.dumps({"0a1b": ["frame_00003.png", "frame_00005.png"]}))
    plan = Plan("dl3dv", index=index)
    refs, _ = find_scenes(plan, [tmp_path])
    assert open_scene(refs[1], plan, OWN).inputs == ((2, 4),)
    with pytest.raises(InputError, match="lists no input frames for 00ff"):
        open_scene(refs[0], plan, OWN)


def test_procedural_scenes_have_fixed_targets():
    plan = Plan("synthetic", long_side_px=32)
    refs, _ = find_scenes(plan, [], synthetic=2)
    assert find_scenes(dataclasses.replace(plan, limit=1), [], synthetic=2)[0] == refs[:1]
    with pytest.raises(InputError, match="--views 13: procedural scenes have 12"):
        find_scenes(dataclasses.replace(plan, views=(13,)), [], synthetic=2)
    split = open_scene(refs[1], plan, OWN)
    assert [len(chosen) for chosen in split.inputs] == list(HOLDOUT_VIEWS)
    assert split.targets == (12, 13, 14, 15)


@pytest.mark.parametrize(
    ("plan", "paths", "message"),
    [
        (Plan(views=(1,)), [SAMPLE], "needs at least 2 photos"),
        (Plan(), [], "no scene is named"),
        (Plan("synthetic"), [], "say how many"),
        (Plan(index=SAMPLE), [SAMPLE], "--index belongs to"),
        (Plan("dl3dv", poses="sfm"), [SAMPLE], "--poses sfm is for folders"),
        (Plan("dl3dv", index=SAMPLE), [SAMPLE], "not a readable JSON file"),
        (Plan("dl3dv", index=SAMPLE, views=(4,)), [SAMPLE], "leave --views out"),
    ],
)
def test_unusable_plans_are_refused(plan, paths, message):
    with pytest.raises(InputError, match=message):
        find_scenes(plan, paths)


def test_listed_inputs_are_indices_or_names(tmp_path):
    file = tmp_path / "list.json"
    file.write_text(json.dumps({"0a1b": ["frame_00003.png", "images_4/frame_00001.png"], "00ff": [2, 0]}))
    listed = read_input_list(file)
    names = tuple(f"images_4/frame_{i:05d}.png" for i in range(1, 5))
    assert listed_frames(names, listed["0a1b"], "0a1b") == (0, 2)
    assert listed_frames(names, listed["00ff"], "00ff") == (0, 2)
    for absent in ("frame_00009.png", 4, -1):
        with pytest.raises(InputError, match=r"0a1b: the listed input frame .* is not among"):
            listed_frames(names, [absent], "0a1b")
    file.write_text("[1, 2]")
    with pytest.raises(InputError, match="is not a JSON object"):
        read_input_list(file)
