"""Child process of tests, without checks of types: passes of compiled and of plain update layers.

Argument: the precision. Prints JSON, or the sentence of an `InputError`.
"""

import json
import sys

import torch

from ilrm_cli.models.layers.passes import AttentionClock, Chunks
from ilrm_cli.runtime.devices import PRECISIONS
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.runtime.progress import Step
from tests.support.small_models import published, random_model, random_views

PIECES = (Chunks(2, 16), Chunks(1, 1000), Chunks(100, 4))


@torch.inference_mode()
def main(precision: torch.dtype) -> None:
    models = plain, compiled = [random_model(published("dl3dv")) for _ in range(2)]
    for model in models:
        model.precision = precision
    steps: list[Step] = []
    try:
        compiled.compile_layers(steps.append)
    except InputError as error:
        sys.stdout.write(str(error))
        return
    apart, again, layers, clock = [], [], 0, AttentionClock(torch.device("cpu"))
    with torch.compiler.set_stance("fail_on_recompile"):
        for views in (random_views(1), random_views(3), random_views(5, 64, 80)):
            for chunks in PIECES:
                expected = plain([views], chunks=chunks)[0]
                made = compiled([views], clock=clock, chunks=chunks)[0]
                same = compiled([views], chunks=chunks)[0]
                layers += len(compiled.layers)
                for field, value in vars(expected).items():
                    found = getattr(made, field)
                    apart.append(float((found - value).abs().max() / value.abs().max()))
                    again.append(torch.equal(found, getattr(same, field)))
    found = {
        "apart": max(apart),
        "repeatable": all(again),
        "timed": sum(layer.cross_ms > 0 < layer.self_ms for layer in clock.layers()),
        "layers": layers,
        "steps": [(step.stage, step.done) for step in steps],
    }
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main(PRECISIONS[sys.argv[1]])
