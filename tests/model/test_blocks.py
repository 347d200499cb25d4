import torch
from torch.nn.functional import softmax

from ilrm_cli.model.blocks import CrossAttention, HeadNorm


def test_head_norm_of_known_numbers():
    norm = HeadNorm(2)
    with torch.no_grad():
        norm.weight.copy_(torch.tensor([1.0, 2.0]))
    torch.testing.assert_close(norm(torch.tensor([3.0, 4.0])), torch.tensor([3.0, 8.0]) / 12.5**0.5)


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
