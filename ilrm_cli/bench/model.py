"""The suite `model`: one pass of the full-size model with random weights."""

from collections.abc import Callable

import torch

from ilrm_cli.bench.findings import Findings
from ilrm_cli.bench.timing import ROUNDS, Job, measure
from ilrm_cli.cameras import Cameras
from ilrm_cli.model.config import PRESETS
from ilrm_cli.model.ilrm import Ilrm
from ilrm_cli.progress import Report, ignore
from ilrm_cli.views import Views

MODEL_VIEWS, MODEL_SIDE_PX = 8, 256  # what the full-size model is timed on


def model_suite(*, rounds: int = ROUNDS, report: Report = ignore) -> Findings:
    """One pass of the full-size `dl3dv` model with random weights, in both precisions."""
    preset = PRESETS["dl3dv"]
    model = Ilrm(preset.config).eval()
    pose = torch.eye(4).repeat(MODEL_VIEWS, 1, 1)
    pose[:, 0, 3] = torch.linspace(-1, 1, MODEL_VIEWS)
    side = float(MODEL_SIDE_PX)
    lens = torch.full((MODEL_VIEWS, 2), side)
    views = Views(
        torch.rand(MODEL_VIEWS, 3, MODEL_SIDE_PX, MODEL_SIDE_PX, generator=torch.Generator().manual_seed(0)),
        Cameras(pose, lens, lens / 2, MODEL_SIDE_PX, MODEL_SIDE_PX),
    )

    def one_pass(precision: torch.dtype) -> Callable[[], object]:
        def job() -> object:
            model.precision = precision
            with torch.inference_mode():
                return model([views])

        return job

    name = f"iLRM, {preset.parameters / 1e6:.0f} M parameters, {MODEL_VIEWS} views of {MODEL_SIDE_PX}x{MODEL_SIDE_PX}"
    precisions = {"bf16": torch.bfloat16, "fp32": torch.float32}
    jobs = {f"{name}, {key}": Job(one_pass(value)) for key, value in precisions.items()}
    return Findings(tuple(measure(jobs, rounds=rounds, report=report)))
