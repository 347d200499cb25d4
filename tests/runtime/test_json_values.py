from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pytest

from ilrm_cli.runtime.json_values import misfits


@dataclass(frozen=True)
class Declared:
    count: int
    share: float | None
    kind: Literal["a", "b"]
    by_name: Mapping[str, Any]
    names: tuple[str, ...]
    anything: Any


@pytest.mark.parametrize(
    ("name", "fitting", "unfitting"),
    [
        ("count", [0, -3], [None, 1.5, "1", True, []]),
        ("share", [None, 1, 0.5], ["0.5", True, {}]),
        ("kind", ["a"], ["c", None, 1]),
        ("by_name", [{}, {"x": []}], [None, [], "x"]),
        ("names", [(), ["x"]], [None, "x", {}]),
        ("anything", [None, 1, "x", []], []),
    ],
)
def test_each_kind_of_type(name, fitting, unfitting):
    assert [misfits({name: value}, Declared) for value in fitting] == [[]] * len(fitting)
    assert [misfits({name: value}, Declared) for value in unfitting] == [[name]] * len(unfitting)


def test_unknown_names_are_passed_over():
    assert misfits({"other": 1}, Declared) == []
