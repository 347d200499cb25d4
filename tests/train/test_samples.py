import torch

from ilrm_cli.train.config import TrainConfig
from ilrm_cli.train.samples import batches, draw_sample, size_for


def test_sizes_keep_the_aspect_and_the_multiple():
    assert size_for((4, 3), 64, 8) == (64, 48)
    assert size_for((2, 3), 64, 8) == (40, 64)


def test_inputs_are_normalised():
    sample = draw_sample(0, 0, views=4, targets=2, width=32, height=24)
    positions = sample.inputs.cameras.positions
    torch.testing.assert_close(positions.mean(0), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(positions.abs().max(), torch.tensor(1.0))
    assert (len(sample.inputs), len(sample.targets)) == (4, 2)
    near, far = sample.depth_range
    share_inside = ((sample.depth > near) & (sample.depth < far)).float().mean()
    assert 0 < near < far
    assert share_inside > 0.3


def test_the_same_step_has_the_same_batch():
    config = TrainConfig(batch=2, long_sides_px=(32,), max_views=3, targets=1)
    later = next(batches(config, 8, start=5))
    stream = batches(config, 8, start=4)
    next(stream)
    again = next(stream)
    torch.testing.assert_close(later[1].inputs.images, again[1].inputs.images, rtol=0, atol=0)
    assert not torch.equal(later[0].inputs.images, later[1].inputs.images)


def test_larger_images_come_in_smaller_batches():
    config = TrainConfig(batch=4, long_sides_px=(32, 64), max_views=2, targets=1)
    stream = batches(config, 8, start=0)
    drawn = {(max(b[0].depth.shape[1:]), len(b)) for b in (next(stream) for _ in range(8))}
    assert drawn == {(32, 4), (64, 1)}
