"""Avat3r: its size and operations, what it keeps between expressions, and what its skips promise."""

import dataclasses

import pytest
import torch

from ilrm_cli.geometry.views import Priors, Views
from ilrm_cli.models.avat3r.config import PARAMETERS, Avat3rConfig
from ilrm_cli.models.avat3r.model import Avat3r, unknown_priors
from ilrm_cli.models.base import Pass
from ilrm_cli.models.checkpoint import load_model
from ilrm_cli.models.loading import ready_model
from ilrm_cli.models.patches import parameters_in
from ilrm_cli.models.registry import ARCHITECTURES, KNOWN, NOT_OFFERED, weights_file
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.train.config import AVATAR
from tests.support.family import RAYS, counted_flops, drawn, flops_told, on_meta, saved
from tests.support.live_bytes import LiveBytes
from tests.support.small_models import random_views

TINY = Avat3rConfig(
    self_layers=2, cross_layers=2, width=32, head_width=16, patch=8, places=16, widths=(32, 16), window=16, code=5,
    features=0,
)  # fmt: skip
CONFIGS = {
    "self first": TINY,
    "alternating": dataclasses.replace(TINY, order="alternating", cross_layers=3),
    "features": dataclasses.replace(TINY, features=7),
}


@pytest.fixture(params=CONFIGS)
def config(request) -> Avat3rConfig:
    return CONFIGS[request.param]


def with_priors(views: Views, config: Avat3rConfig, seed: int = 0) -> Views:
    """Return views with random position maps, confidence, expression and features, on a grid of their own."""
    generator = torch.Generator().manual_seed(seed)

    def some(*shape: int) -> torch.Tensor:
        return torch.rand(shape, generator=generator)

    count, size = len(views), (views.cameras.height, views.cameras.width)
    features = some(count, 3, 4, config.features) if config.features else None
    priors = Priors(some(count, *size, 3) + 2, some(count, *size), some(config.code), features)
    return dataclasses.replace(views, priors=priors)


def head(config: Avat3rConfig, seed: int = 0) -> Views:
    return with_priors(random_views(4, 48, 48, seed), config, seed)


def test_the_size_is_stated():
    assert parameters_in(Avat3r, Avat3rConfig()) == PARAMETERS


def test_the_operations_told_are_those_of_pytorch(config):
    views = on_meta(3, 48, 48)
    with torch.device("meta"):
        network, priors = Avat3r(config), unknown_priors(config, 3, 48, 48)
    views = dataclasses.replace(views, priors=priors)
    without_rays = RAYS // 2 * views.images[:, 0].numel()  # the head makes none
    assert counted_flops(network, views) + without_rays == flops_told(network, views)


def test_a_pass_holds_at_most_what_is_told():
    network = drawn(Avat3r(AVATAR))
    views = with_priors(random_views(4, 64, 64), AVATAR)
    with torch.inference_mode(), LiveBytes() as live:
        network([views])
    told = network.cost(Pass(4, 64, 64)).ways[0].work_bytes
    assert 0.3 * told < live.peak < 1.1 * told


def test_what_it_takes():
    can = drawn(Avat3r(TINY)).capabilities
    assert (can.min_views, can.max_views, can.size_multiple) == (4, 4, 8)
    assert can.needs_priors
    assert can.needs_poses
    assert can.normalisation == "centred"
    assert can.grid_factor is None, "pixels of little confidence have no Gaussian"


@torch.no_grad()
def test_the_kept_prefix_gives_what_a_whole_pass_gives(config):
    network = drawn(Avat3r(config))
    views = head(config)
    prefix = network.prefix([views])
    for seed in range(3):
        code = torch.rand(config.code, generator=torch.Generator().manual_seed(seed))
        asked = dataclasses.replace(views, priors=dataclasses.replace(views.priors, expression=code))
        whole, kept = network([asked])[0], network.expressed(prefix, code[None])[0]
        assert all(torch.equal(one, other) for one, other in zip(whole.tensors(), kept.tensors(), strict=True))


@torch.no_grad()
def test_heads_of_one_batch_do_not_see_each_other(config):
    network = drawn(Avat3r(config))
    views = [head(config, seed) for seed in range(2)]
    together, alone = network(views), [network([one])[0] for one in views]
    for one, other in zip(together, alone, strict=True):
        torch.testing.assert_close(one.means, other.means)
        torch.testing.assert_close(one.harmonics, other.harmonics)


@torch.no_grad()
def test_only_cross_attention_tells_of_the_expression(config):
    network = drawn(Avat3r(config))
    views = head(config)
    prefix, codes = network.prefix([views]), (torch.zeros(1, config.code), torch.ones(1, config.code))

    def change() -> float:
        one, other = (network.expressed(prefix, code)[0].means for code in codes)
        return float((one - other).abs().max())

    assert change() > 1e-3
    for block in network.cross:
        block.proj.weight.zero_(), block.proj.bias.zero_()
    assert change() == 0


@torch.no_grad()
def test_without_a_head_positions_and_colours_are_those_of_the_photos(config):
    network = drawn(Avat3r(config))
    network.head.linear.weight.zero_()
    views = head(config)
    scene, kept = network([views])[0], (views.priors.confidence > config.least_confidence).flatten()
    torch.testing.assert_close(scene.means, views.priors.positions.flatten(0, 2)[kept], atol=0, rtol=0)
    shown = 0.5 + 0.28209479 * scene.harmonics[:, 0]
    torch.testing.assert_close(shown, views.images.permute(0, 2, 3, 1).flatten(0, 2)[kept])


@torch.no_grad()
def test_a_higher_threshold_keeps_fewer_pixels():
    views = head(TINY)
    counts = []
    for least in (0.0, 0.25, 0.5, 0.75, 0.99):
        network = drawn(Avat3r(dataclasses.replace(TINY, least_confidence=least)))
        counts.append(len(network([views])[0]))
        assert counts[-1] == int((views.priors.confidence > least).sum())
    assert counts == sorted(counts, reverse=True)
    assert len(set(counts)) == len(counts)


@torch.no_grad()
def test_everything_it_is_given_is_heeded(config):
    network = drawn(Avat3r(config))
    views = head(config)
    before = network([views])[0]
    others = with_priors(random_views(4, 48, 48), config, seed=1).priors
    for name in ("positions", "expression", "features"):
        if getattr(others, name) is not None:
            priors = dataclasses.replace(views.priors, **{name: getattr(others, name)})
            after = network([dataclasses.replace(views, priors=priors)])[0]
            assert (before.scales - after.scales).abs().max() > 1e-6, name
    photos = dataclasses.replace(views, images=random_views(4, 48, 48, seed=3).images)
    assert (network([photos])[0].means - before.means).abs().max() > 1e-4


def test_what_makes_no_network():
    for wrong in ({"patch": 6}, {"head": dataclasses.replace(TINY.head, depth="orbit")}, {"head_width": 24}):
        with pytest.raises(ValueError, match=r"\d|orbit"):
            Avat3r(dataclasses.replace(TINY, **wrong))


def test_weights_are_written_and_read(tmp_path):
    network = drawn(Avat3r(CONFIGS["features"]))
    loaded = load_model(str(saved(network, tmp_path))).model
    assert loaded.config == network.config
    torch.testing.assert_close(loaded.state_dict(), network.state_dict())


def test_photos_without_priors_get_a_sentence(tmp_path):
    weights = saved(drawn(Avat3r(TINY)), tmp_path)
    with pytest.raises(InputError, match="ilrm animate"):
        ready_model(str(weights), "cpu", "fp32", compiled=False, gradients=False)


def test_nobody_offers_weights():
    assert "avat3r" in ARCHITECTURES
    assert not [name for name in KNOWN if "avat3r" in name]
    with pytest.raises(InputError, match="published neither code nor weights; train one"):
        weights_file("avat3r")
    assert "tiny-avat3r" in NOT_OFFERED["avat3r"]
