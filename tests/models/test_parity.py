"""Every traced tensor and every Gaussian of the released code, on its two checkpoint formats."""

import numpy as np
import pytest
import torch

from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.geometry.views import Views
from ilrm_cli.models.checkpoint import load_model
from ilrm_cli.models.ilrm.config import PRESETS
from ilrm_cli.models.ilrm.model import Ilrm

TOLERANCE = 1e-5  # of the largest absolute value of the reference tensor


def reference_views(name: str, io: dict[str, np.ndarray]) -> Views:
    image = torch.from_numpy(io["image"][0])
    height, width = image.shape[-2:]
    pose = torch.from_numpy(io["c2w"][0])
    if name == "re10k_tiny.ckpt":  # intrinsics in units of the image size
        k = torch.from_numpy(io["K_normalized"][0])
        size = torch.tensor([width, height])
        focal, center = k[:, [0, 1], [0, 1]] * size, k[:, [0, 1], [2, 2]] * size
    else:
        focal, center = torch.from_numpy(io["fxfycxcy"][0]).split(2, dim=-1)
    return Views(image, Cameras(pose, focal, center, width, height))


def reference_gaussians(io: dict[str, np.ndarray]) -> Gaussians:
    means = io.get("gaussians_xyz_world", io.get("gaussians_xyz"))
    flat = lambda key, width: torch.from_numpy(io[f"gaussians_{key}"].reshape(-1, width))  # noqa: E731
    return Gaussians(
        means=torch.from_numpy(means.reshape(-1, 3)),
        quaternions=torch.nn.functional.normalize(flat("rotation", 4), dim=-1),
        scales=flat("scale", 3).exp(),
        opacities=flat("opacity", 1).sigmoid().flatten(),
        harmonics=flat("feature", 3)[:, None],
    )


def relative(ours: torch.Tensor, reference: torch.Tensor) -> float:
    assert ours.shape == reference.shape
    return float((ours - reference).abs().max() / reference.abs().max())


@pytest.mark.parametrize(
    ("checkpoint", "io_file"), [("re10k_tiny.ckpt", "re10k_tiny_io.npz"), ("wide_tiny.pt", "wide_tiny_io.npz")]
)
def test_released_code(shared, checkpoint, io_file):
    io = dict(np.load(shared / "parity" / io_file))
    model = load_model(str(shared / "parity" / checkpoint)).model
    views = reference_views(checkpoint, io)
    trace: dict[str, torch.Tensor] = {}

    def keep(name: str):
        def hook(module, inputs, output):
            trace[name] = output

        return hook

    model.viewpoint_tokenizer.register_forward_hook(keep("viewpoint_tokens"))
    model.image_tokenizer.register_forward_hook(keep("image_tokens"))
    for number, layer in enumerate(model.layers):
        layer.cross_mlp.register_forward_pre_hook(lambda m, x, n=number: trace.update({f"mid{n}": x[0]}))
        layer.cross_mlp.register_forward_hook(
            lambda m, x, y, n=number: trace.update({f"block{2 * n:02d}_r": trace[f"mid{n}"] + y})
        )
        layer.register_forward_hook(keep(f"block{2 * number + 1:02d}_s"))
    with torch.no_grad():
        ours = model([views])[0]

    for key, reference in io.items():
        if key.startswith("trace_"):
            tensor = trace[key.removeprefix("trace_")]
            assert relative(tensor.reshape(1, -1, tensor.shape[-1]), torch.from_numpy(reference)) < TOLERANCE, key
    theirs = reference_gaussians(io)
    for field in ("means", "quaternions", "scales", "opacities", "harmonics"):
        assert relative(getattr(ours, field), getattr(theirs, field)) < TOLERANCE, field


@pytest.mark.parametrize("name", PRESETS)
def test_published_parameter_counts(name):
    with torch.device("meta"):
        model = Ilrm(PRESETS[name].config)
    assert sum(p.numel() for p in model.parameters()) == PRESETS[name].parameters
    assert len(model.state_dict()) == 222
