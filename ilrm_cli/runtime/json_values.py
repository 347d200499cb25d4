"""Values from JSON as dataclasses and other types, by their annotations; values for JSON, finite and in an envelope."""

import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec

from ilrm_cli.runtime.errors import Damage
from ilrm_cli.runtime.files import decoded_text

T = TypeVar("T")
DEEPEST = 50  # levels; those that anybody writes have some ten
MOST_DIGITS = 20  # of an integer: 64 bits, with a sign
Status = Literal["ok", "failed", "stopped"]  # of a command


def envelope(command: str, data: Mapping[str, Any], status: Status = "ok") -> dict[str, Any]:
    """Return what `--json` prints for every command: its name, how it ended, and the keys of its own."""
    return {"command": command, "status": status, **data}


def parsed_json(content: bytes | str) -> Any:
    """Parse JSON from a file that anybody may have written, in an encoding that `decoded_text` knows.

    Raises Damage, with a clause for people that follows the name of the file, if it is damaged, nested deeper than
    anything is, or has integers of more than MOST_DIGITS digits.
    """
    try:
        text = decoded_text(content) if isinstance(content, bytes) else content
        value = json.loads(text, parse_int=_integer)
    except RecursionError:
        raise Damage("is nested too deeply") from None
    except json.JSONDecodeError as error:
        raise Damage(f"is not valid JSON in line {error.lineno}") from None
    if _is_deep(value):
        raise Damage("is nested too deeply")
    return value


def _is_deep(value: Any) -> bool:
    """Return whether lists and objects are nested deeper than DEEPEST."""
    level = [value]
    for _ in range(DEEPEST):
        nested = [item for item in level if isinstance(item, list | dict)]
        level = [inner for item in nested for inner in (item.values() if isinstance(item, dict) else item)]
        if not level:
            return False
    return True


def read_json(path: Path) -> Any:
    """Parse the JSON of a file. Raises Damage as `parsed_json` does, also if the file cannot be read."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise Damage(f"cannot be read ({error.strerror})") from error
    return parsed_json(content)


def _integer(digits: str) -> int:
    if len(digits) > MOST_DIGITS:
        raise Damage(f"has a number of {len(digits)} digits")
    return int(digits)


def decoded(content: bytes, declared: Any) -> Any:
    """Decode JSON; keys without a field are ignored. Raises Damage that names the place of what does not fit."""
    try:
        return msgspec.json.decode(content, type=declared)
    except msgspec.DecodeError as error:
        raise Damage(str(error)) from error


def fitted(
    value: Any,
    declared: type[T],
    other: Callable[[type, Any], Any] | None = None,
    extensible: tuple[type, ...] = (),
) -> T:
    """Convert a value from JSON; `other` does so for types that msgspec does not know, or raises ValueError.

    Raises Damage that names the place of what does not fit, or of a key without a field. In dataclasses that are
    `extensible` such keys are ignored.
    """
    try:
        made = msgspec.convert(value, declared, dec_hook=other)
    except msgspec.ValidationError as error:
        raise Damage(str(error)) from error
    except UnicodeEncodeError as error:
        raise Damage("a text holds half of a character") from error
    if surplus := list(_surplus(value, made, extensible, "$")):
        raise Damage(f"Object has unknown fields - at {', '.join(f'`{place}`' for place in surplus)}")
    return made


def _surplus(value: Any, made: Any, extensible: tuple[type, ...], place: str) -> Iterator[str]:
    """Yield the places of keys that a dataclass has no field for."""
    if is_dataclass(made) and isinstance(value, Mapping):
        for key, item in value.items():
            if key in made.__dataclass_fields__:
                yield from _surplus(item, getattr(made, key), extensible, f"{place}.{key}")
            elif not isinstance(made, extensible):
                yield f"{place}.{key}"
    elif isinstance(made, tuple):
        for number, (item, one) in enumerate(zip(value, made, strict=True)):
            yield from _surplus(item, one, extensible, f"{place}[{number}]")


def finite_json(value: Any) -> Any:
    """Replace infinities and NaN in a JSON value by null."""
    if isinstance(value, Mapping):
        return {key: finite_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite_json(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
