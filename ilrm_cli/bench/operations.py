"""Operations of the family's full-size backbones over the number of views, from their contract and as PyTorch counts.

Nothing is computed: with few small views the networks pass over tensors without numbers while PyTorch counts, which
must agree with what they tell of themselves; the rest is told. Published figures stand beside, marked as such.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from ilrm_cli.bench.figures import Line, line_chart, table
from ilrm_cli.bench.model import noise_views
from ilrm_cli.models.base import Blueprint, Pass
from ilrm_cli.models.checkpoint import blueprint_with
from ilrm_cli.models.grm.config import GrmConfig
from ilrm_cli.models.gs_lrm.config import PRESETS as GS_LRM
from ilrm_cli.models.ilrm.config import PRESETS as ILRM
from ilrm_cli.models.long_lrm.config import PRESETS as LONG_LRM
from ilrm_cli.runtime.progress import Report, Step, ignore

VIEWS = (2, 4, 8, 16, 32)
SIDE_PX = 256
COUNTED_PX = 32  # side of the views over which PyTorch counts
OPERATIONS_PER_GMAC = 2e9

COMPARED: Mapping[str, Any] = {
    "GS-LRM": GS_LRM["paper"].config,
    "Long-LRM 7M1T": replace(LONG_LRM["7m1t"].config, kept=1.0),
    "Long-LRM 7M1T + merge": replace(LONG_LRM["7m1t-merge"].config, kept=1.0),
    "iLRM full": ILRM["re10k"].config,
    "iLRM half": ILRM["dl3dv"].config,
    "iLRM half, no uplifting": replace(ILRM["dl3dv"].config, uplifting=1),
    "GRM": GrmConfig(),
}
# Counted by us with the authors' own modules, which publish no such figures; GMAC at 256x256 px: name -> views ->
# figure. Those of GRM depend on the window.
COUNTED: Mapping[str, Mapping[int, float]] = {
    "GS-LRM": {2: 825, 8: 5772, 32: 62672},
    "Long-LRM 7M1T": {2: 539, 8: 2467, 32: 14816},
    "Long-LRM 7M1T + merge": {2: 111, 8: 484, 32: 2553},
    "iLRM full": {2: 464, 8: 2783, 32: 25976},
    "iLRM half": {2: 140, 8: 619, 32: 3402},
    "GRM": {2: 333, 8: 1475, 32: 7757},
}


@dataclass(frozen=True)
class Operations:
    """What passes of one backbone take."""

    name: str
    gmac: Mapping[int, float]  # views -> multiply-adds, in thousands of millions
    counted: float  # share of what is told that PyTorch counts, in a small pass
    gaussians: int  # per view
    parameters: int
    authors_modules_gmac: Mapping[int, float]

    @property
    def slope(self) -> float:
        """Slope of the line through log operations over log views: 1 is linear, 2 quadratic."""
        x, y = (torch.tensor(part, dtype=torch.float64).log() for part in zip(*self.gmac.items(), strict=True))
        return float(((x - x.mean()) * (y - y.mean())).sum() / (x - x.mean()).square().sum())

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "gmac": {str(views): figure for views, figure in self.gmac.items()},
            "counted_over_told": self.counted,
            "gaussians_per_view": self.gaussians,
            "parameters": self.parameters,
            "slope": self.slope,
            "authors_modules_gmac": {str(views): figure for views, figure in self.authors_modules_gmac.items()},
        }


def operations(report: Report = ignore) -> tuple[Operations, ...]:
    """Return the operations of all backbones that are compared."""
    found = []
    for done, (name, config) in enumerate(COMPARED.items(), start=1):
        blueprint = blueprint_with(config)
        costs = {views: blueprint.cost(Pass(views, SIDE_PX, SIDE_PX)) for views in VIEWS}
        counted, per_pixel = _counted(blueprint)
        gaussians = round(per_pixel * SIDE_PX**2)
        gmac = {views: cost.flops / OPERATIONS_PER_GMAC for views, cost in costs.items()}
        parameters = costs[VIEWS[0]].weights_bytes // torch.float32.itemsize
        found.append(Operations(name, gmac, counted, gaussians, parameters, COUNTED.get(name, {})))
        report(Step("operations", done, len(COMPARED)))
    return tuple(found)


def _counted(blueprint: Blueprint) -> tuple[float, float]:
    """Return the operations that PyTorch counts in a small pass, over those that are told, and Gaussians per pixel."""
    meta = torch.device("meta")
    with meta:
        network = blueprint.build()
    views = noise_views(VIEWS[0], COUNTED_PX, COUNTED_PX, torch.device("cpu")).to(meta)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        scene = network([views], [(1.0, 10.0)])[0]
    told = blueprint.cost(Pass(VIEWS[0], COUNTED_PX, COUNTED_PX)).flops
    return counter.get_total_flops() / told, len(scene) / views.images[:, 0].numel()


def operations_table(found: Sequence[Operations]) -> str:
    """Return a table in Markdown; figures in brackets are counted with the authors' modules."""
    rows = []
    for one in found:
        figures = (f"{one.gmac[views]:,.0f}{_counted_with_authors(one, views)}" for views in VIEWS)
        rows.append((one.name, f"{one.parameters / 1e6:.0f} M", *figures, f"{one.slope:.2f}"))
    return table(("backbone", "parameters", *(f"{views} views" for views in VIEWS), "slope"), rows)


def _counted_with_authors(one: Operations, views: int) -> str:
    figure = one.authors_modules_gmac.get(views)
    return "" if figure is None else f" [{figure:,.0f}]"


def operations_document(found: Sequence[Operations]) -> bytes:
    """Return the page that explains the table and the chart."""
    by_name = {one.name: one for one in found}
    half, full = by_name["iLRM half"].gmac[8], by_name["GS-LRM"].gmac[8]
    text = f"""# The family at equal compute

Multiply-adds of one pass at {SIDE_PX}x{SIDE_PX} px, in GMAC; in brackets: counted by us with the authors' modules.
The slope is that of log operations over log views: 1 is linear. Every figure is counted from the configuration, none is
a time.

{operations_table(found)}

Half-resolution iLRM takes {full / half:.1f} times fewer operations than GS-LRM with 8 views, and no more with 8 views
than GS-LRM with {_views_of_equal_cost(by_name["GS-LRM"], half):.1f}.

![operations over views](family_operations.png)
"""
    return text.encode()


def _views_of_equal_cost(one: Operations, gmac: float) -> float:
    """Return the number of views at which a backbone has that cost, along the line of its two fewest."""
    (a, low), (b, high) = list(one.gmac.items())[:2]
    return math.exp(math.log(a) + math.log(gmac / low) * math.log(b / a) / math.log(high / low))


def operations_chart(found: Sequence[Operations]) -> bytes:
    """Draw operations over views."""
    lines = [Line(one.name, tuple((float(views), figure) for views, figure in one.gmac.items())) for one in found]
    return line_chart(f"Operations of one pass at {SIDE_PX}x{SIDE_PX} px", "views", "GMAC", lines)
