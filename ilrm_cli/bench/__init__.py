"""Speed on this machine, as ratios to its own matrix product, so that figures of different machines compare.

A suite is a function that returns rows; `SUITES` names them all. `timing` measures, one module each states what.
"""

from collections.abc import Callable

from ilrm_cli.bench.model import model_suite
from ilrm_cli.bench.raster import raster_suite
from ilrm_cli.bench.timing import BenchRow

SUITES: dict[str, Callable[..., list[BenchRow]]] = {"raster": raster_suite, "model": model_suite}
