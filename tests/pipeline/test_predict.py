"""What the model's prediction becomes before it is a scene.

Consistency is tested on a wall at depth 4 seen by cameras side by side, and one Gaussian that is brought close.
"""

import dataclasses

import pytest
import torch

from ilrm_cli.geometry.cameras import Cameras, directions_through, pixel_centers
from ilrm_cli.geometry.transforms import Similarity
from ilrm_cli.geometry.views import Views
from ilrm_cli.models.checkpoint import load_model
from ilrm_cli.pipeline.predict import CLEARANCE_PX, LEAST_SUPPORT, PRIOR, in_empty_space, masked, predict, witnesses
from ilrm_cli.pipeline.prepare import Prepared
from ilrm_cli.runtime.errors import InputError
from tests.models.test_plane_sweep import wall

WIDTH, HEIGHT = 32, 32


def prepared(masks: torch.Tensor | None) -> Prepared:
    pose = torch.eye(4).repeat(3, 1, 1)
    pose[:, 0, 3] = torch.tensor([-1.0, 0.0, 1.0])
    focal, center = torch.full((3, 2), 30.0), torch.tensor([[16.0, 16.0]]).repeat(3, 1)
    images = torch.rand(3, 3, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(0))
    views = Views(images, Cameras(pose, focal, center, WIDTH, HEIGHT), masks=masks)
    return Prepared(views, None, (1.0, 10.0), Similarity(1.0, torch.eye(3), torch.zeros(3)))


def test_masked_pixels_give_no_gaussians_and_the_rest_stay_where_they_were():
    model = load_model("default").model
    masks = torch.ones(3, HEIGHT, WIDTH)
    masks[:, :, : WIDTH // 2] = 0
    bare = dataclasses.replace(model.config, backdrop=False)
    model.config = bare
    scene = prepared(masks)
    with torch.no_grad():
        everything = model([scene.inputs], [scene.depth_range])[0]
    rest = predict(model, scene).gaussians
    assert 0 < len(rest) < len(everything)
    camera = prepared(None).inputs.cameras
    assert {tuple(m) for m in rest.means.tolist()} <= {tuple(m) for m in everything.means.tolist()}
    left_of_all = ((rest.means[:, None, 0] - camera.positions[None, :, 0]) < -1e-3 * rest.means[:, None, 2]).all(1)
    assert not left_of_all.any()  # each is right of the middle of the view it comes from


def test_nothing_stands_behind_what_is_masked():
    model = load_model("default").model
    nothing = torch.zeros(3, HEIGHT, WIDTH)
    assert len(predict(model, prepared(nothing)).gaussians) == 0
    assert len(predict(model, prepared(None)).gaussians) >= 1000  # the backdrop alone


def test_nothing_is_left_where_a_photo_is_transparent():
    """The right half of the middle photo is transparent: what others predict there is left out and counted."""
    model = load_model("default").model
    scene = prepared(None)
    empty = torch.zeros(3, HEIGHT, WIDTH)
    empty[1, :, WIDTH // 2 :] = 1
    cut_out = dataclasses.replace(scene, inputs=dataclasses.replace(scene.inputs, empty=empty))
    found = predict(model, cut_out)
    x, _, z = found.gaussians.means.unbind(1)
    column = 30.0 * x / z + 16
    assert not ((column > WIDTH // 2 + 2) & (column < WIDTH)).any()
    assert found.floating > predict(model, scene).floating
    assert len(found.gaussians) > 50  # nor is there a backdrop


def test_a_scene_that_does_not_fit_is_refused_before_the_pass(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("ilrm_cli.models.memory_plan.free_bytes", lambda device: 1_000_000)
    with pytest.raises(InputError, match=r"3 views of 32x32 px need .* GB are free"):
        predict(load_model("default").model, prepared(None))


def wall_means(cameras, depth: torch.Tensor) -> torch.Tensor:
    pixels = pixel_centers(cameras.width, cameras.height, cameras.focal_px).expand(len(cameras), -1, -1, -1)
    means = cameras.positions[:, None, None] + depth[..., None] * directions_through(cameras, pixels)
    return means.flatten(0, 2)


def test_a_wall_that_all_views_agree_on_stays():
    cameras = wall([0.0, 0.2, 0.4, 0.6]).cameras
    assert not witnesses(wall_means(cameras, torch.full((4, 32, 32), 4.0)), cameras).floating().any()


def test_what_three_others_see_through_floats():
    cameras = wall([0.0, 0.2, 0.4, 0.6]).cameras
    depth = torch.full((4, 32, 32), 4.0)
    depth[0, 16, 20] = 2.0
    found = witnesses(wall_means(cameras, depth), cameras).floating()
    assert found.nonzero().flatten().tolist() == [16 * 32 + 20]


def test_one_witness_is_not_enough():
    cameras = wall([0.0, 0.2]).cameras
    depth = torch.full((2, 32, 32), 4.0)
    depth[0, 16, 20] = 2.0
    assert not witnesses(wall_means(cameras, depth), cameras).floating().any()


def test_what_lies_behind_a_surface_is_merely_hidden():
    cameras = wall([0.0, 0.2, 0.4, 0.6]).cameras
    depth = torch.full((4, 32, 32), 4.0)
    depth[0, 16, 20] = 9.0
    assert not witnesses(wall_means(cameras, depth), cameras).floating().any()


def test_support_is_the_share_of_witnesses_that_confirm():
    cameras = wall([0.0, 0.2, 0.4, 0.6]).cameras
    depth = torch.full((4, 32, 32), 4.0)
    depth[0, 16, 20], depth[0, 16, 24] = 2.0, 9.0
    found = witnesses(wall_means(cameras, depth), cameras)
    support = found.support().view(4, 32, 32)
    assert found.confirming.view(4, 32, 32)[0, 16, 16] == 3
    assert float(support[0, 16, 16]) == pytest.approx((3 + PRIOR) / (3 + 2 * PRIOR))
    assert float(support[0, 16, 20]) == pytest.approx(max(LEAST_SUPPORT, PRIOR / (3 + 2 * PRIOR)))
    assert float(support[0, 16, 24]) == pytest.approx(0.5)  # hidden from all: nobody knows


def test_a_single_view_has_no_witness():
    cameras = wall([0.0]).cameras
    support = witnesses(wall_means(cameras, torch.full((1, 32, 32), 4.0)), cameras).support()
    assert torch.equal(support, torch.full_like(support, 0.5))


def test_masked_pixels_say_nothing():
    cameras = wall([0.0, 0.2, 0.4, 0.6]).cameras
    depth = torch.full((4, 32, 32), 4.0)
    depth[0, 16, 20] = 2.0
    known = torch.ones(4, 32, 32, dtype=torch.bool)
    known[1:3] = False
    found = witnesses(wall_means(cameras, depth), cameras, known.flatten())
    assert not found.floating().any()  # only the last view still sees through it
    assert found.seeing_through.view(4, 32, 32)[0, 16, 20] == 1
    assert found.confirming.view(4, 32, 32)[0, 16, 16] == 1
    assert found.confirming.view(4, 32, 32)[3, 16, 16] == 1  # by the first


def test_one_answer_per_viewpoint_pixel_in_the_order_of_the_gaussians():
    masks = torch.ones(2, 4, 6)
    masks[1, :2, 2:4] = 0  # view 1, row 0, column 1 of the halved grid
    ignored = masked(masks, 2)
    assert ignored.shape == (2 * 2 * 3,)
    assert ignored.nonzero()[:, 0].tolist() == [6 + 1]


def test_half_of_the_pixels_are_enough():
    masks = torch.zeros(1, 2, 4)
    masks[0, 0, :2] = 1  # two of four pixels
    masks[0, 0, 2] = 1  # one of four
    assert masked(masks, 2).tolist() == [False, True]


def test_without_reduction_the_mask_itself_decides():
    masks = torch.tensor([[[1.0, 0.0], [0.0, 1.0]]])
    assert masked(masks, 1).tolist() == [False, True, True, False]


def test_what_a_view_sees_nothing_of_is_in_empty_space():
    """One camera at the origin looks along z; the right half of its photo is transparent."""
    camera = Cameras(torch.eye(4)[None], torch.full((1, 2), 20.0), torch.full((1, 2), 10.0), 20, 20)
    empty = torch.zeros(1, 20, 20)
    empty[:, :, 10:] = 1
    inside = [10.0 + CLEARANCE_PX + 0.5, 10.0 + CLEARANCE_PX - 0.5, 5.0, 25.0]  # pixel columns of points at depth 2
    means = torch.tensor([[(column - 10) / 10, 0.0, 2.0] for column in inside])
    behind = torch.tensor([[0.5, 0.0, -2.0]])
    found = in_empty_space(torch.cat([means, behind]), camera, empty)
    assert found.tolist() == [True, False, False, False, False]
