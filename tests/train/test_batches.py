import dataclasses

import pytest
import torch

from ilrm_cli.train.batches import Batches, Share, plan, size_for
from ilrm_cli.train.config import TrainConfig
from ilrm_cli.train.sources import Procedural

SMALL = TrainConfig(steps=9, batch=2, long_sides_px=(32,), max_views=3, targets=1)


def test_sizes_keep_the_aspect_and_the_multiple():
    assert size_for((4, 3), 64, 8) == (64, 48)
    assert size_for((2, 3), 64, 8) == (40, 64)


def test_larger_images_come_in_smaller_batches():
    config = TrainConfig(batch=4, long_sides_px=(32, 64))
    drawn = {(max(r[0].width, r[0].height), len(r)) for r in (plan(config, 8, step) for step in range(8))}
    assert drawn == {(32, 4), (64, 1)}


def test_stages_ascend_over_the_run():
    config = TrainConfig(steps=6, long_sides_px=(128, 32, 64), sizes="staged", aspects=((1, 1),))
    assert [plan(config, 8, step)[0].width for step in range(6)] == [32, 32, 64, 64, 128, 128]


def test_views_cover_their_range():
    config = TrainConfig(min_views=2, max_views=12)
    drawn = {plan(config, 8, step)[0].views for step in range(200)}
    assert drawn == set(range(2, 13))


def test_processes_share_the_batch_of_one():
    config = dataclasses.replace(SMALL, batch=4)
    shares = [plan(config, 8, 3, Share(rank, 2)) for rank in range(2)]
    assert shares[0] + shares[1] == plan(config, 8, 3)


def test_no_sample_comes_twice():
    indices = [request.index for step in range(9) for request in plan(SMALL, 8, step)]
    assert len(set(indices)) == len(indices) == 18


@pytest.mark.parametrize("threads", [1, 3])
def test_a_stream_begun_later_gives_the_same_batches(threads):
    with Batches(SMALL, 8, [Procedural()], 5) as one, Batches(SMALL, 8, [Procedural()], 4, threads=threads) as other:
        later, stream = next(iter(one)), iter(other)
        next(stream)
        again = next(stream)
    torch.testing.assert_close(later[1].inputs.images, again[1].inputs.images, rtol=0, atol=0)
    assert not torch.equal(later[0].inputs.images, later[1].inputs.images)


def test_a_stream_ends_with_the_run():
    with Batches(SMALL, 8, [Procedural()], 7) as batches:
        assert len(list(batches)) == 2
