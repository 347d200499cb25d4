import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import softmax
from torch.utils.flop_counter import FlopCounterMode

from ilrm_cli.models.layers.blocks import FULL, CrossAttention, HeadNorm, MiniBatch, UpdateLayer
from ilrm_cli.models.layers.passes import AttentionClock


def test_head_norm_of_known_numbers():
    norm = HeadNorm(2)
    with torch.no_grad():
        norm.weight.copy_(torch.tensor([1.0, 2.0]))
    torch.testing.assert_close(norm(torch.tensor([3.0, 4.0])), torch.tensor([3.0, 8.0]) / 12.5**0.5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_head_norm_does_not_depend_on_gradients(dtype):
    norm, x = HeadNorm(16), torch.randn(5, 16, generator=torch.Generator().manual_seed(0)).to(dtype)
    torch.nn.init.normal_(norm.weight)
    recorded = norm(x)
    with torch.no_grad():
        torch.testing.assert_close(norm(x.clone()), recorded)


def test_uplifted_cross_attention_against_plain_loops():
    """Each copy s of head h asks with the query channels (h * head_width + i) * 2 + s and answers into the same."""
    torch.manual_seed(0)
    width, head_width, copies = 8, 4, 2
    block = CrossAttention(width, head_width, copies).double()
    tokens, image_tokens = torch.randn(1, 3, width).double(), torch.randn(1, 5, width).double()
    query, key, value = block.q(block.norm(tokens))[0], block.k(image_tokens)[0], block.v(image_tokens)[0]
    read = torch.zeros(3, width * copies).double()
    for head in range(width // head_width):
        own = slice(head * head_width, (head + 1) * head_width)
        for s in range(copies):
            channels = [(head * head_width + i) * copies + s for i in range(head_width)]
            scores = block.q_norm(query[:, channels]) @ block.k_norm(key[:, own]).T / head_width**0.5
            read[:, channels] = softmax(scores.double(), dim=-1) @ value[:, own]
    torch.testing.assert_close(block(tokens, image_tokens)[0], block.proj(read), rtol=1e-5, atol=1e-6)


class Nothing(torch.nn.Module):
    """A block that adds nothing."""

    def forward(self, tokens: torch.Tensor, *_: object) -> torch.Tensor:
        return torch.zeros_like(tokens)


def layer_and_tokens() -> tuple[UpdateLayer, torch.Tensor, torch.Tensor, AttentionClock]:
    torch.manual_seed(0)
    layer = UpdateLayer(width=8, head_width=4, uplifting=2, mlp_ratio=2)
    return layer, torch.randn(2, 8, 8), torch.randn(2, 16, 8), AttentionClock(torch.device("cpu"))


def test_turns_pair_every_subset_with_every_other():
    turns = [MiniBatch.turn(2, number) for number in range(4)]
    assert [(t.first_viewpoint, t.first_image) for t in turns] == [(0, 0), (1, 0), (0, 1), (1, 1)]
    assert MiniBatch.turn(1, 7) == FULL


def test_mini_batch_leaves_the_other_tokens_alone():
    """Before the first MLP of the layer only the subset reads, and only from the subset of the image."""
    layer, tokens, image_tokens, clock = layer_and_tokens()
    layer.cross_mlp = layer.self_attention = layer.self_mlp = Nothing()
    out = layer(tokens, image_tokens, 2, clock, mini_batch=MiniBatch(2, 1, 0))
    torch.testing.assert_close(out[:, ::2], tokens[:, ::2], rtol=0, atol=0)
    expected = tokens[:, 1::2] + layer.cross(tokens[:, 1::2], image_tokens[:, ::2])
    torch.testing.assert_close(out[:, 1::2], expected, rtol=0, atol=0)


@pytest.mark.parametrize("every", [2, 4])
def test_mini_batch_costs_less(every):
    layer, tokens, image_tokens, clock = layer_and_tokens()
    layer.cross_mlp = layer.self_attention = layer.self_mlp = Nothing()

    def flops(mini_batch: MiniBatch) -> int:
        with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:  # it cannot count fused kernels
            layer(tokens, image_tokens, 2, clock, mini_batch=mini_batch)
        return counter.get_total_flops()

    assert flops(MiniBatch.turn(every, 0)) < flops(FULL) / every  # attention itself falls with the square
