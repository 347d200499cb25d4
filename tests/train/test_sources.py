import dataclasses

import pytest
import torch

from ilrm_cli.data.synthetic.colmap_folder import write_scene
from ilrm_cli.data.synthetic.dataset import Shooting, training_scene
from ilrm_cli.geometry.views import Views
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.train.config import FrameGap, TrainConfig
from ilrm_cli.train.sources import Procedural, Request, open_source
from tests.support.small_data_sets import arc, re10k_clip, write_dl3dv, write_re10k
from tests.support.training_samples import procedural_sample


def test_procedural_inputs_are_normalised():
    sample = procedural_sample(views=4, targets=2)
    positions = sample.inputs.cameras.positions
    torch.testing.assert_close(positions.mean(0), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(positions.abs().max(), torch.tensor(1.0))
    assert (len(sample.inputs), len(sample.targets)) == (4, 2)
    near, far = sample.depth_range
    share_inside = ((sample.depth > near) & (sample.depth < far)).float().mean()
    assert 0 < near < far
    assert share_inside > 0.3


def draw(source, index: int = 0, views: int = 3, targets: int = 2, width: int = 64, height: int = 48):
    return source.draw(Request(0, index, 0, views, targets, width, height))


def same(a: Views, b: Views) -> bool:
    return torch.equal(a.images, b.images) and torch.equal(a.cameras.world_from_cam, b.cameras.world_from_cam)


def test_colmap_folders_give_samples_with_the_range_of_their_points(tmp_path):
    scene = training_scene(3, 0, Shooting(6, 96, 72, samples=1))
    write_scene(tmp_path / "scenes" / "a", scene.views, scene.depth)
    sample = draw(open_source(str(tmp_path / "scenes"), TrainConfig()))
    assert sample.depth is None
    assert sample.inputs.images.shape == (3, 3, 48, 64)
    assert 0 < sample.depth_range[0] < sample.depth_range[1]
    torch.testing.assert_close(sample.inputs.cameras.positions.abs().max(), torch.tensor(1.0))
    assert same(sample.targets, draw(open_source(str(tmp_path / "scenes"), TrainConfig())).targets)


def test_dl3dv_and_re10k_are_recognised(tmp_path):
    write_dl3dv(tmp_path / "dl3dv" / "hash", arc(6))
    clips = [re10k_clip(f"clip{i}", arc(7)) for i in range(3)]
    write_re10k(tmp_path / "re10k", clips, stage="train")
    config = TrainConfig(frames=FrameGap(first=(4, 6), last=(4, 6)))
    for name in ("dl3dv", "re10k"):
        sample = draw(open_source(str(tmp_path / name), config))
        assert sample.depth is None
        assert (len(sample.inputs), len(sample.targets)) == (3, 2)


def test_captures_are_flipped_as_often_as_asked(tmp_path):
    write_dl3dv(tmp_path / "hash", arc(6))
    plain = draw(open_source(str(tmp_path), TrainConfig()))
    flipped = draw(open_source(str(tmp_path), dataclasses.replace(TrainConfig(), flip=1.0)))
    assert torch.equal(flipped.targets.images, plain.targets.images.flip(-1))


def test_data_that_cannot_serve_gets_a_sentence(tmp_path):
    with pytest.raises(InputError, match="no scene with"):
        open_source(str(tmp_path), TrainConfig())
    write_dl3dv(tmp_path / "hash", arc(4))
    with pytest.raises(InputError, match=r"the 5 frames of one sample .* ask for fewer --views"):
        draw(open_source(str(tmp_path), TrainConfig()))


def test_the_stream_of_scenes_does_not_change_with_the_order_of_asking():
    later = draw(Procedural(), index=7, views=2, targets=1, width=32, height=24)
    draw(Procedural(), index=6, views=2, targets=1, width=32, height=24)
    assert same(later.inputs, draw(Procedural(), index=7, views=2, targets=1, width=32, height=24).inputs)
