"""TripoSR without reference data: sizes, what photos become, and files that are refused."""

import io
from dataclasses import replace
from hashlib import sha256
from shutil import copy

import numpy as np
import pytest
import torch
import yaml

from ilrm_cli.models import hub
from ilrm_cli.models.base import Pass
from ilrm_cli.models.checkpoint import architecture_of, load_model
from ilrm_cli.models.lrm.config import TripoSrConfig
from ilrm_cli.models.lrm.cut_out import centred, composed, object_view, triposr_camera
from ilrm_cli.models.lrm.published_triposr import load_triposr
from ilrm_cli.models.lrm.triposr import TripoSr
from ilrm_cli.models.registry import KNOWN
from ilrm_cli.runtime.errors import InputError
from tests.support.hub_server import Hub, serving
from tests.support.small_triposr import CONFIG, publish, small_triposr

PARAMETERS, TENSORS = 419_275_628, 549  # of the published file


def test_the_published_size():
    with torch.device("meta"):
        model = TripoSr(TripoSrConfig())
    assert sum(parameter.numel() for parameter in model.parameters()) == PARAMETERS
    assert len(model.state_dict()) == TENSORS


def test_cost_is_what_the_network_does():
    cost = architecture_of("triposr").cost(TripoSrConfig(), Pass(1, 512, 512))
    assert cost.flops / 2e12 == pytest.approx(1.48, rel=0.02)  # TMAC
    assert cost.weights_bytes == pytest.approx(4 * PARAMETERS, rel=0.02)


def test_an_object_is_centred_on_grey():
    photo = np.zeros((40, 60, 4), np.uint8)
    photo[10:31, 20:31] = (200, 100, 50, 255)
    square = centred(photo)
    assert square.shape == (23, 23, 4)  # 20 rows, for 0.85 of the side
    assert square[1:21, 6:16, 3].all()
    assert composed(square)[0, 0].tolist() == [127, 127, 127]
    view = object_view(photo, triposr_camera(32))
    assert view.images.shape == (1, 3, 32, 32)
    assert view.empty[0, 0, 0] == 1
    assert view.empty[0, 16, 16] == 0
    assert view.cameras.positions[0].tolist() == pytest.approx([1.9, 0, 0])
    assert view.cameras.forward[0].tolist() == pytest.approx([-1, 0, 0])


def test_a_photo_without_an_object_is_refused():
    with pytest.raises(InputError, match="transparent everywhere"):
        object_view(np.zeros((20, 20, 4), np.uint8), triposr_camera(32))


@torch.no_grad()
def test_the_published_format_makes_the_same_network(tmp_path):
    model = small_triposr()
    publish(model, tmp_path / "model.ckpt")
    config, state = load_triposr(tmp_path / "model.ckpt", vit_heads=2)
    assert config == CONFIG
    again = TripoSr(config).eval()
    again.load_state_dict(state)
    image = torch.rand(1, 3, 32, 32)
    assert torch.equal(again.triplane(image), model.triplane(image))


@torch.no_grad()
def test_what_the_configuration_leaves_out_is_as_their_code_has_it(tmp_path):
    model = TripoSr(replace(CONFIG, activation="relu", samples=128)).eval()
    options = publish(model, tmp_path / "model.ckpt")
    del options["decoder"]["activation"], options["renderer"]["density_bias"]
    del options["renderer"]["num_samples_per_ray"]
    options["renderer"]["density_activation"] = "trunc_exp"
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(options))
    (tmp_path / "model.json").write_text('{"vit": {"heads": 2}}')
    loaded = load_model(str(tmp_path / "model.ckpt")).model
    assert loaded.config == model.config
    features = torch.randn(5, 12)
    assert torch.equal(loaded.decoder(features), model.decoder(features))
    assert isinstance(loaded.decoder.layers[1], torch.nn.ReLU)


@torch.no_grad()
def test_gaussians_lie_in_the_box(monkeypatch):
    monkeypatch.setattr("ilrm_cli.render.surface.RESOLUTION", 32)
    model = small_triposr()
    gaussians = model([object_view(np.full((20, 20, 4), 255, np.uint8), triposr_camera(32))])[0]
    assert len(gaussians) > 100
    assert gaussians.means.abs().max() < CONFIG.radius * (1 + 1 / 32), "half a cell beyond"
    assert gaussians.finite().all()


def damage(path, tensors, options):
    torch.save(tensors, path)
    path.with_name("config.yaml").write_text(options if isinstance(options, str) else yaml.safe_dump(options))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda tensors, options: tensors.update(other=torch.ones(1)), "unexpected tensor 'other'"),
        (lambda tensors, options: tensors.pop("tokenizer.embeddings"), "no usable 'planes'"),
        (lambda tensors, options: tensors.update({"tokenizer.embeddings": torch.ones(5)}), "no usable shape"),
        (lambda tensors, options: options.pop("renderer"), "no usable 'renderer'"),
        (lambda tensors, options: options["renderer"].update(num_samples_per_ray=-1), "samples"),
        (lambda tensors, options: options["decoder"].update(activation="tanh"), "activation"),
        (lambda tensors, options: options.update(backbone=3), "no usable"),
        (lambda tensors, options: tensors.update(epoch=3), "something in it is no tensor"),
    ],
)
def test_damaged_files_are_refused_in_one_sentence(tmp_path, change, sentence):
    options = publish(small_triposr(), tmp_path / "model.ckpt")
    tensors = torch.load(tmp_path / "model.ckpt", weights_only=True)
    change(tensors, options)
    damage(tmp_path / "model.ckpt", tensors, options)
    with pytest.raises(InputError, match=sentence) as caught:
        load_triposr(tmp_path / "model.ckpt")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("options", ["[1, 2", "3", "!!python/object/apply:os.system ['true']"])
def test_configurations_that_are_none_are_refused(tmp_path, options):
    publish(small_triposr(), tmp_path / "model.ckpt")
    (tmp_path / "config.yaml").write_text(options)
    with pytest.raises(InputError, match=r"config\.yaml: (cannot be read as YAML|not the configuration)"):
        load_triposr(tmp_path / "model.ckpt")
    (tmp_path / "config.yaml").unlink()
    with pytest.raises(InputError, match=r"config\.yaml is missing beside it"):
        load_triposr(tmp_path / "model.ckpt")


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_nothing_is_unpickled(tmp_path):
    import pickle

    content = io.BytesIO()
    pickle.dump({"weights": print}, content)
    (tmp_path / "model.ckpt").write_bytes(content.getvalue())
    with pytest.raises(InputError, match="cannot be read as a checkpoint"):
        load_triposr(tmp_path / "model.ckpt")


def test_a_pull_takes_the_known_commit_and_nothing_else(tmp_path, monkeypatch):
    """With a tiny file in the same format, from a local hub."""
    publish(small_triposr(), tmp_path / "model.ckpt")
    content, (ours, newer) = (tmp_path / "model.ckpt").read_bytes(), ("a" * 40, "b" * 40)
    published = replace(KNOWN["triposr"].published, config=CONFIG, revision=ours, sha256=sha256(content).hexdigest())
    monkeypatch.setitem(KNOWN, "triposr", replace(KNOWN["triposr"], published=published))
    monkeypatch.setenv("ILRM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    files = {ours: {"model.ckpt": content}, newer: {"model.ckpt": content + b"!"}}
    assert "licence MIT" in hub.licence_note(KNOWN["triposr"])
    with serving(Hub(published.repository, files, licence="mit")) as server:
        wrong = replace(KNOWN["triposr"], published=replace(published, revision=newer))
        with pytest.raises(InputError, match="is recorded; it was thrown away"):
            hub.pull(wrong, endpoint=server.endpoint)
        pulled = hub.pull(KNOWN["triposr"], endpoint=server.endpoint)
    assert (pulled.origin.revision, pulled.origin.licence) == (ours, "mit")
    copy(tmp_path / "config.yaml", pulled.path.parent)  # which weights of the published size need not
    loaded = load_model("triposr")
    assert loaded.model.config.layers == CONFIG.layers
    assert loaded.model.capabilities.output == "field"
