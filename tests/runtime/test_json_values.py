from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest

import ilrm_cli
from ilrm_cli.runtime.errors import Damage
from ilrm_cli.runtime.json_values import decoded, fitted, parsed_json, read_json


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
        ({"parts": [{"count": 1, "kind": "\ud800"}]}, "half of a character"),
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


# JSON of anybody


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a":' * 60 + b"1" + b"}" * 60, "nested too deeply"),
        (b'{"a": 1' + b"0" * 5000 + b"}", "a number of 5001 digits"),
        (b'{"a": 1\n,}', "not valid JSON in line 2"),
        (b"\x00\xff\x80", "not valid JSON in line 1"),
        (b"", "not valid JSON in line 1"),
    ],
)
def test_json_that_is_refused(tmp_path, content, why):
    (tmp_path / "a.json").write_bytes(content)
    for parse in (lambda: parsed_json(content), lambda: read_json(tmp_path / "a.json")):
        with pytest.raises(Damage, match=why):
            parse()
    with pytest.raises(Damage, match="cannot be read"):
        read_json(tmp_path / "absent.json")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_json_in_every_encoding(encoding):
    assert parsed_json('{"a": "ä", "b": [1.5, 2e3, -7]}'.encode(encoding)) == {"a": "ä", "b": [1.5, 2000.0, -7]}


def test_json_of_files_is_parsed_in_one_place():
    """What remains reads back what the same process has just written, or what a process of ours prints."""
    package = Path(ilrm_cli.__file__).parent
    parsing = {
        file.relative_to(package).as_posix() for file in package.rglob("*.py") if "json.loads(" in file.read_text()
    }
    ours = {"scene/convert.py", "bench/pipeline.py"}
    assert parsing == {"runtime/json_values.py", *ours}
