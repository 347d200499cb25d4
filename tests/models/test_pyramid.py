"""The pyramid and the feedback: shapes, what they begin as, what reaches what, and that feedback helps untrained."""

import dataclasses

import pytest
import torch

from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.models.ilrm.model import Ilrm
from ilrm_cli.models.layers.feedback import FIRST_GAIN, SEEN_CHANNELS, DrawnBack, Feedback, drawn_back
from ilrm_cli.models.layers.passes import Chunks
from ilrm_cli.models.layers.pyramid import Pyramid, Residual
from ilrm_cli.render.metrics import psnr
from ilrm_cli.render.rasterize import render
from tests.support.small_models import PYRAMID, random_model, random_views
from tests.support.training_samples import procedural_sample

RANGE = (1.0, 10.0)


def without_feedback(config=PYRAMID):
    assert config.pyramid
    return dataclasses.replace(config, pyramid=dataclasses.replace(config.pyramid, feedback=False))


def test_tokens_are_cells_of_the_coarsest_level_in_order():
    torch.manual_seed(0)
    pyramid = Pyramid(channels=3, widths=(4, 6), blocks=1, token_width=5)
    grid = torch.zeros(1, 8, 12, 3)
    changed = grid.clone()
    changed[0, 5, 9] = 1.0  # in the cell of row 1 and column 2, of 2 rows and 3 columns
    (before, maps), (after, _) = pyramid.encoded(grid), pyramid.encoded(changed)
    assert before.shape == (1, 6, 5)
    assert [tuple(level.shape[1:]) for level in maps] == [(4, 8, 12), (6, 4, 6)]
    assert (before != after).any(-1)[0].nonzero().flatten().tolist() == [5]
    assert pyramid.decoded(before, maps).shape == (1, 8, 12, 4)


def test_blocks_begin_as_the_identity():
    grid = torch.randn(2, 4, 5, 7)
    assert torch.equal(Residual(4)(grid), grid)


def test_an_untrained_model_is_a_splat_of_its_choice_of_depths():
    views = random_views()
    scene = Ilrm(without_feedback()).eval()([views], [RANGE])[0]
    assert len(scene) == 3 * 16 * 24
    matched = Ilrm(dataclasses.replace(PYRAMID, head=dataclasses.replace(PYRAMID.head, depth="matched"), pyramid=None))
    other = matched.eval()([views], [RANGE])[0]
    assert torch.equal(scene.harmonics, other.harmonics)
    assert torch.equal(scene.opacities, other.opacities)


def test_chunks_change_nothing():
    model, views = random_model(PYRAMID), random_views(4)
    with torch.no_grad():
        whole, pieces = model([views], [RANGE])[0], model([views], [RANGE], chunks=Chunks(1, 16))[0]
    for a, b in zip(whole.tensors(), pieces.tensors(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4)


def test_scenes_of_a_batch_do_not_meet():
    model, one, other = random_model(PYRAMID), random_views(), random_views(seed=1)
    with torch.no_grad():
        both, alone = model([one, other], [RANGE, RANGE]), model([other], [RANGE])
    for a, b in zip(both[1].tensors(), alone[0].tensors(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4)


def test_every_weight_learns():
    model, views = random_model(PYRAMID).train(), random_views()
    for module in model.modules():  # what begins at zero shuts off what comes before
        if isinstance(module, torch.nn.Conv2d):
            torch.nn.init.normal_(module.weight, std=0.1)
    sum(tensor.square().sum() for tensor in model([views], [RANGE])[0].tensors()).backward()
    assert [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0] == []


def test_a_feedback_begins_as_a_step_down_the_gradient():
    update = Feedback(widths=(4, 5), token_width=8, raw=3)
    gradient = torch.randn(2, 8, 12, 3)
    told = update.told(torch.randn(2, 8, 12, 4), gradient, DrawnBack(gradient, torch.randn(2, 8, 12, SEEN_CHANNELS)))
    tokens = update.gathered(told)
    assert tokens.shape == (2, 2 * 3, 8)
    assert torch.allclose(update.change(told, tokens, gradient), -FIRST_GAIN * gradient)


def test_what_is_wrong_in_a_cell_reaches_its_token_and_comes_back_to_it():
    update = Feedback(widths=(4, 5), token_width=8, raw=3)
    torch.nn.init.normal_(update.ups[0].weight)
    torch.nn.init.normal_(update.outlet.weight)
    told, gradient = torch.randn(1, 4, 8, 12), torch.zeros(1, 8, 12, 3)
    other = told.clone()
    other[0, :, 5, 9] += 1.0  # in the cell of row 1 and column 2, of 2 rows and 3 columns
    before, after = update.gathered(told), update.gathered(other)
    assert (before != after).any(-1)[0].nonzero().flatten().tolist() == [5]
    changed = (update.change(told, before, gradient) != update.change(told, after, gradient)).any(-1)[0]
    assert changed[4:, 8:].float().mean() > 0.8  # a few pixels lie where every ReLU is shut
    assert not changed[:2].any()  # beyond the reach of the last convolutions: 2 px


@pytest.fixture
def blob_per_pixel():
    """Cameras, photos, and a function from shifts of blobs, one per pixel, to Gaussians."""
    sample = procedural_sample(views=2, width=32, height=32)
    cameras, truth = sample.inputs.cameras, sample.inputs.images
    shape = (len(cameras), cameras.height, cameras.width)
    middle = cameras.positions[:, None] + 2 * cameras.forward[:, None]
    places = middle.expand(-1, shape[1] * shape[2], -1).flatten(0, 1)
    some = Gaussians.isotropic(places, torch.full_like(places[:, 0], 0.3), torch.full_like(places, 0.5), 0.3)
    return cameras, truth, torch.zeros(*shape, 3), lambda by: dataclasses.replace(some, means=places + by.flatten(0, 2))


def test_what_comes_back_is_the_gradient_of_the_error_in_units_of_its_rms(blob_per_pixel):
    cameras, truth, raw, splat = blob_per_pixel
    back = drawn_back(raw, splat, None, cameras, truth)
    leaf = raw.clone().requires_grad_()
    (render(splat(leaf), cameras).color - truth).square().sum().backward()
    assert leaf.grad is not None
    expected = torch.asinh(leaf.grad / leaf.grad.square().mean((0, 1, 2)).sqrt())
    assert torch.allclose(back.gradient, expected, atol=1e-4)
    residual = render(splat(raw), cameras).color - truth
    assert torch.allclose(back.seen[..., :3].permute(0, 3, 1, 2), residual, atol=1e-6)


def test_pixels_without_weight_say_nothing(blob_per_pixel):
    cameras, truth, raw, splat = blob_per_pixel
    weight = torch.ones_like(truth[:, 0])
    weight[:, :, 16:] = 0
    other = torch.where(weight[:, None] > 0, truth, 1 - truth)
    one, two = (drawn_back(raw, splat, None, cameras, photos, weight) for photos in (truth, other))
    assert torch.equal(one.gradient, two.gradient)
    assert (one.seen[:, :, 16:, :3] == 0).all()
    assert not torch.equal(one.gradient, drawn_back(raw, splat, None, cameras, truth).gradient)


@pytest.mark.parametrize(
    "wrong",
    [
        dataclasses.replace(PYRAMID, matching=None),
        dataclasses.replace(PYRAMID, pyramid=None),
        dataclasses.replace(PYRAMID, patch=8),
    ],
    ids=["no matching", "no pyramid", "other patch"],
)
def test_choices_that_do_not_go_together_are_refused(wrong):
    with pytest.raises(ValueError, match=r"needs|levels"):
        Ilrm(wrong)


@pytest.mark.parametrize("layers", [1, 2])
def test_feedback_makes_inputs_look_better_untrained(layers):
    sample = procedural_sample(views=3, height=32)
    config = dataclasses.replace(PYRAMID, layers=layers, backdrop=False)
    torch.manual_seed(0)
    fed = Ilrm(config).eval()
    still = Ilrm(without_feedback(config)).eval()
    still.load_state_dict({k: v for k, v in fed.state_dict().items() if not k.startswith("feedback")})
    with torch.no_grad():
        scores = [
            psnr(
                render(net([sample.inputs], [sample.depth_range])[0], sample.inputs.cameras).color, sample.inputs.images
            )
            for net in (still, fed)
        ]
    assert scores[1].mean() > scores[0].mean() + 0.1
