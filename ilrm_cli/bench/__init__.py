"""Benchmarks of speed, as ratios to this machine's own limits, so that figures of different machines can be compared.

A suite is a function of `rounds` and `report` that returns `Findings`; `SUITES` names them all. `timing` alternates
each job with the unit of work it is compared with; one module per suite defines what is measured.
"""

from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any


def _suite(name: str, **options: Any) -> Any:
    """Return the `Findings` of the suite in the module of this name, which is imported only now."""
    return getattr(import_module(f"ilrm_cli.bench.{name}"), f"{name}_suite")(**options)


NAMES = ("model", "raster", "fit", "pipeline", "scaling", "family", "quality", "compiled", "gpu")
SUITES: dict[str, Callable[..., Any]] = {name: partial(_suite, name) for name in NAMES}
ON_REQUEST = ("family", "quality", "compiled", "gpu")  # run only if named: of chosen models, or slow, or with needs
