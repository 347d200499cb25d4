import json

import pytest
import torch

from ilrm_cli.models.checkpoint import encode_model, load_model
from ilrm_cli.models.ilrm.published import LIGHTNING_PREFIX
from ilrm_cli.runtime.errors import InputError
from tests.support.small_models import MATCHED, published, random_model, random_views

PUBLISHED_NAMES = {
    "re10k": ("input_tokenizer", "input_layernorm", "support_tokenizer", "support_layernorm", "token_decoder"),
    "dl3dv": (
        "viewpoint_tokenizer.1",
        "viewpoint_tokenizer.2",
        "image_tokenizer.1",
        "image_tokenizer.2",
        "viewpoint_token_decoder",
    ),
}


def publish(model, variant: str, path) -> None:
    """Write our model under the names of a released file."""
    heads = PUBLISHED_NAMES[variant]
    fixed = {
        "viewpoint_tokenizer.linear": heads[0],
        "viewpoint_tokenizer.norm": heads[1],
        "image_tokenizer.linear": heads[2],
        "image_tokenizer.norm": heads[3],
        "head.norm": heads[4] + ".0",
        "head.linear": heads[4] + ".1",
    }
    halves = {
        "cross": (0, "read_cross"),
        "cross_mlp": (0, "read_ff"),
        "self_attention": (1, "attn"),
        "self_mlp": (1, "mlp"),
    }
    state = {}
    for name, tensor in model.state_dict().items():
        stem = name.removesuffix(".weight")
        if stem in fixed:
            state[fixed[stem] + ".weight"] = tensor
        else:
            _, layer, part, rest = name.split(".", 3)
            half, theirs = halves[part]
            state[f"processor.blocks.{2 * int(layer) + half}.{theirs}.{rest}"] = tensor
    if variant == "re10k":
        torch.save({"state_dict": {LIGHTNING_PREFIX + k: v for k, v in state.items()}, "epoch": 3}, path)
    else:
        torch.save({"model": state}, path)


@pytest.mark.parametrize(("variant", "file"), [("re10k", "re10k_2view.ckpt"), ("dl3dv", "ilrm_undistort_dl3dv.pt")])
def test_published_formats_load(tmp_path, variant, file):
    model = random_model(published(variant))
    publish(model, variant, tmp_path / file)
    loaded = load_model(str(tmp_path / file))
    assert loaded.name == file
    assert loaded.model.config == model.config
    views = random_views()
    torch.testing.assert_close(loaded.model([views])[0].means, model([views])[0].means)


def test_own_format_round_trip(tmp_path):
    model = random_model(MATCHED)
    weights, config = encode_model(model)
    (tmp_path / "m.safetensors").write_bytes(weights)
    (tmp_path / "m.json").write_bytes(config)
    loaded = load_model(str(tmp_path / "m.safetensors"))
    assert loaded.model.config == MATCHED
    for key, value in model.state_dict().items():
        torch.testing.assert_close(loaded.model.state_dict()[key], value)


def test_half_precision_weights_load_as_float32(tmp_path):
    weights, config = encode_model(random_model(MATCHED), torch.float16)
    (tmp_path / "m.safetensors").write_bytes(weights)
    (tmp_path / "m.json").write_bytes(config)
    assert {p.dtype for p in load_model(str(tmp_path / "m.safetensors")).model.parameters()} == {torch.float32}


def refusal(path) -> str:
    with pytest.raises(InputError) as caught:
        load_model(str(path))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_missing_file_or_name(tmp_path):
    assert "no such file and no such model" in refusal(tmp_path / "absent.ckpt")


def test_not_a_checkpoint(tmp_path):
    (tmp_path / "noise.ckpt").write_bytes(b"not a zip")
    assert "cannot be read as a checkpoint" in refusal(tmp_path / "noise.ckpt")
    torch.save({"weights": torch.zeros(2)}, tmp_path / "other.pt")
    assert "not an iLRM checkpoint" in refusal(tmp_path / "other.pt")
    torch.save({"model": {"conv1.weight": torch.zeros(2)}}, tmp_path / "resnet.pt")
    assert "unexpected tensor 'conv1.weight'" in refusal(tmp_path / "resnet.pt")


@pytest.mark.parametrize(
    "content",
    [
        {"model": "x"},
        {"state_dict": [1]},
        {"model": {"viewpoint_tokenizer.1.weight": 3}},
        {"model": {5: torch.zeros(2)}},
        {"model": {"viewpoint_tokenizer.1.weight": torch.tensor(1.0)}},
        {"state_dict": {"vgg.weight": torch.zeros(2)}},
        [1, 2],
    ],
)
def test_files_of_something_else(tmp_path, content):
    torch.save(content, tmp_path / "odd.pt")
    assert "not an iLRM checkpoint" in refusal(tmp_path / "odd.pt")


@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors")
@pytest.mark.parametrize("wrong", [{"width": "big"}, {"patch": 0}, {"head": {"depth": "magic"}}, {"head_width": -1}])
def test_configurations_that_make_no_model(tmp_path, wrong):
    weights, config = encode_model(random_model(MATCHED))
    fields = json.loads(config)
    fields |= {"head": fields["head"] | wrong.pop("head", {})} | wrong
    (tmp_path / "m.safetensors").write_bytes(weights)
    (tmp_path / "m.json").write_text(json.dumps(fields))
    assert "m." in refusal(tmp_path / "m.safetensors")


def test_missing_tensor(tmp_path):
    model = random_model(published("dl3dv"))
    publish(model, "dl3dv", tmp_path / "whole.pt")
    content = torch.load(tmp_path / "whole.pt", weights_only=True)
    del content["model"]["processor.blocks.3.mlp.fc2.weight"]
    torch.save(content, tmp_path / "part.pt")
    assert "layers.1.self_mlp.fc2.weight" in refusal(tmp_path / "part.pt")


def test_own_format_without_or_with_a_broken_sidecar(tmp_path):
    weights, config = encode_model(random_model(MATCHED))
    (tmp_path / "m.safetensors").write_bytes(weights)
    assert "m.json is missing" in refusal(tmp_path / "m.safetensors")
    fields = json.loads(config)
    for damaged, reason in (
        (fields | {"surprise": 1}, "unknown fields - at `$.surprise`"),
        (fields | {"head": fields["head"] | {"depth": "deep"}}, "'deep' - at `$.head.depth`"),
        ({name: value for name, value in fields.items() if name != "head"}, "it lacks head"),
        (fields | {"architecture": [1]}, "architecture [1] is not known"),
        (1, "it is no object with keys"),
    ):
        (tmp_path / "m.json").write_text(json.dumps(damaged))
        assert "not a model configuration" in refusal(tmp_path / "m.safetensors")
        assert reason in refusal(tmp_path / "m.safetensors")
    (tmp_path / "m.json").write_bytes(config)
    (tmp_path / "m.safetensors").write_bytes(weights[:1000])
    assert "cannot be read as safetensors" in refusal(tmp_path / "m.safetensors")


@pytest.mark.parametrize(
    ("key", "value"),
    [("layers", 10**9), ("layers", 0), ("width", 2**40), ("patch", -1), ("head_width", 0), ("max_views", 1.5)],
)
def test_absurd_configurations_are_refused_at_once(tmp_path, key, value):
    weights, config = encode_model(random_model(MATCHED))
    (tmp_path / "a.safetensors").write_bytes(weights)
    (tmp_path / "a.json").write_text(json.dumps({**json.loads(config), key: value}))
    with pytest.raises(InputError, match=rf"not a model configuration .*{key}"):
        load_model(str(tmp_path / "a.safetensors"))


def test_absurd_numbers_of_published_layers_are_refused_at_once(tmp_path):
    model = random_model(published("dl3dv"))
    publish(model, "dl3dv", tmp_path / "a.pt")
    content = torch.load(tmp_path / "a.pt")
    content["model"]["processor.blocks.2000000000.attn.q_norm.weight"] = torch.zeros(1)
    torch.save(content, tmp_path / "a.pt")
    with pytest.raises(InputError, match="not an iLRM checkpoint"):
        load_model(str(tmp_path / "a.pt"))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite(tmp_path, value):
    model = random_model(MATCHED)
    with torch.no_grad():
        next(iter(model.parameters())).view(-1)[3] = value
    weights, config = encode_model(model)
    (tmp_path / "a.safetensors").write_bytes(weights)
    (tmp_path / "a.json").write_bytes(config)
    with pytest.raises(InputError, match="weights that are not finite"):
        load_model(str(tmp_path / "a.safetensors"))


def test_safetensors_cut_short_at_any_place(tmp_path):
    weights, config = encode_model(random_model(MATCHED))
    (tmp_path / "a.json").write_bytes(config)
    for length in (0, 7, 8, 100, len(weights) // 2, len(weights) - 1):
        (tmp_path / "a.safetensors").write_bytes(weights[:length])
        with pytest.raises(InputError, match="cannot be read as safetensors"):
            load_model(str(tmp_path / "a.safetensors"))
