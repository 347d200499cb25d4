import json

from ilrm_cli.train.log import LOG_FILE, Record, read_log
from ilrm_cli.train.step import Seconds, TrainStep


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


def test_other_processes_write_nothing(tmp_path):
    with Record(tmp_path, 0, active=False) as record:
        record.add(done(1))
    assert not list(tmp_path.iterdir())
