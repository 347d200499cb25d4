"""Speed on this machine, as ratios to its own limits, so that figures of different machines compare.

A suite is a function of `rounds` and `report` that returns `Findings`; `SUITES` names them all. `timing` measures by
turns with the `units` of work that a job is compared with; one module for each suite states what is measured.
"""

from collections.abc import Callable

from ilrm_cli.bench.findings import Findings
from ilrm_cli.bench.gpu import gpu_suite
from ilrm_cli.bench.model import model_suite
from ilrm_cli.bench.pipeline import pipeline_suite
from ilrm_cli.bench.quality import quality_suite
from ilrm_cli.bench.raster import raster_suite
from ilrm_cli.bench.scaling import scaling_suite

SUITES: dict[str, Callable[..., Findings]] = {
    "model": model_suite,
    "raster": raster_suite,
    "pipeline": pipeline_suite,
    "scaling": scaling_suite,
    "quality": quality_suite,
    "gpu": gpu_suite,
}
ON_REQUEST = ("quality", "gpu")  # not run unless named: an experiment, and what needs a CUDA device
