"""Speed on this machine, as ratios to its own limits, so that figures of different machines compare.

A suite is a function of `rounds` and `report` that returns `Findings`; `SUITES` names them all. `timing` measures by
turns with the `units` of work that a job is compared with; one module for each suite states what is measured.
"""

from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any


def _suite(name: str, **options: Any) -> Any:
    """The `Findings` of the suite that the module of this name holds, which is imported only now."""
    return getattr(import_module(f"ilrm_cli.bench.{name}"), f"{name}_suite")(**options)


NAMES = ("model", "raster", "pipeline", "scaling", "quality", "compiled", "gpu")
SUITES: dict[str, Callable[..., Any]] = {name: partial(_suite, name) for name in NAMES}
ON_REQUEST = ("quality", "compiled", "gpu")  # not run unless named: what needs time, a compiler or a CUDA device
