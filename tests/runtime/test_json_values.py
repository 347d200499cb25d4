from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pytest

from ilrm_cli.runtime.json_values import decoded, fitted


@dataclass(frozen=True)
class Part:
    count: int
    kind: Literal["a", "b"] = "a"


@dataclass(frozen=True)
class Whole:
    parts: tuple[Part, ...]
    share: float | None = None
    by_name: Mapping[str, Any] | None = None


def test_what_fits_is_converted():
    value = {"parts": [{"count": 1, "kind": "b"}], "share": 2, "by_name": {"x": []}}
    whole = fitted(value, Whole)
    assert whole == Whole((Part(1, "b"),), 2.0, {"x": []})
    assert type(whole.share) is float


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([], "Expected `object`"),
        ({}, "missing required field `parts`"),
        ({"parts": "x"}, r"at `\$.parts`"),
        ({"parts": [{"count": 1}, {"count": True}]}, r"Expected `int`, got `bool` - at `\$.parts\[1\].count`"),
        ({"parts": [{"count": 1, "kind": "c"}]}, r"at `\$.parts\[0\].kind`"),
        ({"parts": [], "share": "0.5"}, r"at `\$.share`"),
        ({"parts": [{"count": 1, "odd": 1}], "new": 1}, r"unknown fields - at `\$.parts\[0\].odd`, `\$.new`"),
    ],
)
def test_the_place_of_what_does_not_fit_is_named(value, message):
    with pytest.raises(ValueError, match=message):
        fitted(value, Whole)


def test_other_types_have_a_converter():
    @dataclass(frozen=True)
    class Holder:
        number: complex

    def converter(kind: type, value: Any) -> Any:
        assert kind is complex
        return complex(*value)

    assert fitted({"number": [1, 2]}, Holder, converter).number == 1 + 2j
    with pytest.raises(ValueError, match=r"at `\$.number`"):
        fitted({"number": ["x"]}, Holder, converter)


def test_content_that_is_no_json_and_keys_that_are_passed_over():
    assert decoded(b'{"count": 1, "odd": 1}', Part) == Part(1)
    for content, message in ((b"{", "truncated"), (b'{"count": 1.5}', r"at `\$.count`")):
        with pytest.raises(ValueError, match=message):
            decoded(content, Part)
