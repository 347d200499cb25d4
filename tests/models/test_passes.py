import pytest
import torch

from ilrm_cli.models.layers.passes import WHOLE, Chunks, joined, pieces
from tests.models.test_ilrm import CONFIGS, RANGE
from tests.support.small_models import MATCHED, random_model, random_views


@pytest.mark.parametrize(
    ("size", "expected"), [(None, [(0, 5)]), (2, [(0, 2), (2, 4), (4, 5)]), (5, [(0, 5)]), (9, [(0, 5)])]
)
def test_pieces_cover_all_in_order(size, expected):
    assert [(p.start, p.stop) for p in pieces(5, size)] == expected
    assert list(pieces(0, size)) == []


@pytest.mark.parametrize("gradients", [False, True])
def test_joined_parts_are_the_whole(gradients):
    whole = torch.arange(10.0).view(5, 2)
    with torch.set_grad_enabled(gradients):
        assert torch.equal(joined((whole[p] for p in pieces(5, 2)), 5), whole)
        assert joined(iter([whole]), 5) is whole


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("chunks", [Chunks(views=1), Chunks(tokens=5), Chunks(2, 7), Chunks(100, 10_000)])
def test_the_same_numbers_in_pieces(name, chunks):
    model, scenes = random_model(CONFIGS[name]), [random_views(seed=1), random_views(seed=2)]
    with torch.no_grad():
        whole = model(scenes, [RANGE, RANGE])
        in_pieces = model(scenes, [RANGE, RANGE], chunks=chunks)
    for one, other in zip(whole, in_pieces, strict=True):
        for value, expected in zip(other.tensors(), one.tensors(), strict=True):
            torch.testing.assert_close(value, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("chunks", [Chunks(2, 128), Chunks(1, 64), Chunks(1, 32)])
def test_pieces_of_powers_of_two_give_the_same_bits(chunks):
    """The planner offers such pieces."""
    model, views = random_model(MATCHED), random_views(4, 128, 128)
    with torch.no_grad():
        whole = model([views], [RANGE])[0]
        in_pieces = model([views], [RANGE], chunks=chunks)[0]
    assert all(map(torch.equal, in_pieces.tensors(), whole.tensors()))


def test_gradients_do_not_depend_on_pieces():
    model, views = random_model(CONFIGS["dl3dv"]), random_views()

    def gradients(chunks: Chunks) -> list[torch.Tensor]:
        model.zero_grad()
        model([views], chunks=chunks)[0].means.sum().backward()
        return [p.grad.clone() for p in model.parameters()]

    pairs = zip(gradients(WHOLE), gradients(Chunks(1, 5)), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
