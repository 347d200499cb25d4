"""The log of a run and its preview."""

import json
import sys

import numpy as np
import pytest

from ilrm_cli.runtime.errors import InputError
from ilrm_cli.train.log import GAP_PX, LOG_FILE, Record, preview
from ilrm_cli.train.step import Seconds, TrainStep
from tests.support.small_models import MATCHED, random_model
from tests.support.training_log import read_log
from tests.support.training_samples import blob_sample


def done(step: int) -> TrainStep:
    return TrainStep(step, 4 * step, 0.5, 20.0, 1.0, 1e-3, Seconds(1.0, 2.0, 3.0, 4.0))


def test_every_step_is_a_line(tmp_path):
    with Record(tmp_path, 0) as record:
        record.add(done(1))
        record.add(done(2))
        assert [line["step"] for line in read_log(tmp_path)] == [1, 2]  # on disk before it is closed
    assert read_log(tmp_path)[1]["seconds"] == {"data": 1.0, "model": 2.0, "rendering": 3.0, "optimizer": 4.0}


def test_steps_that_are_done_again_are_dropped(tmp_path):
    with Record(tmp_path, 0) as record:
        for step in (1, 2, 3):
            record.add(done(step))
    with (tmp_path / LOG_FILE).open("a") as log:
        log.write(json.dumps({"step": 4})[:-3])  # cut by a kill
    with Record(tmp_path, 2) as record:
        record.add(done(3))
    assert [line["step"] for line in read_log(tmp_path)] == [1, 2, 3]


@pytest.mark.skipif(sys.platform == "win32", reason="folders cannot be held there")
def test_a_second_run_in_the_folder_is_refused_and_leaves_the_log(tmp_path):
    with Record(tmp_path, 0) as record:
        record.add(done(1))
        with pytest.raises(InputError, match="another run is at work in"):
            Record(tmp_path, 0)
        record.add(done(2))
    assert [line["step"] for line in read_log(tmp_path)] == [1, 2]
    with Record(tmp_path, 2) as record:
        record.add(done(3))
    assert [line["step"] for line in read_log(tmp_path)] == [1, 2, 3]


def test_other_processes_write_nothing(tmp_path):
    with Record(tmp_path, 0, active=False) as record:
        record.add(done(1))
    assert not list(tmp_path.iterdir())


def test_ground_truth_stands_left_of_ours():
    sample = blob_sample(targets=2, size_px=32)
    picture = preview(random_model(MATCHED), sample)
    assert picture.shape == (2 * (32 + GAP_PX), 2 * (32 + GAP_PX), 3)
    truth = (sample.targets.images[1].permute(1, 2, 0).clamp(0, 1) * 255).round().byte().numpy()
    np.testing.assert_array_equal(picture[34:66, :32], truth)
    assert np.abs(picture[34:66, 34:66].astype(int) - truth).mean() > 1
