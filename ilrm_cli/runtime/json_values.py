"""Values from JSON as dataclasses and other types, by their annotations; values for JSON, finite and in an envelope."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import is_dataclass
from typing import Any, Literal, TypeVar

import msgspec

T = TypeVar("T")
Status = Literal["ok", "failed", "stopped"]  # of a command


def envelope(command: str, data: Mapping[str, Any], status: Status = "ok") -> dict[str, Any]:
    """Return what `--json` prints for every command: its name, how it ended, and the keys of its own."""
    return {"command": command, "status": status, **data}


def decoded(content: bytes, declared: Any) -> Any:
    """Decode JSON; keys without a field are ignored. Raises ValueError that names the place of what does not fit."""
    try:
        return msgspec.json.decode(content, type=declared)
    except msgspec.DecodeError as error:
        raise ValueError(str(error)) from error


def fitted(
    value: Any,
    declared: type[T],
    other: Callable[[type, Any], Any] | None = None,
    extensible: tuple[type, ...] = (),
) -> T:
    """Convert a value from JSON; `other` does so for types that msgspec does not know, or raises ValueError.

    Raises ValueError that names the place of what does not fit, or of a key without a field. In dataclasses that are
    `extensible` such keys are ignored.
    """
    try:
        made = msgspec.convert(value, declared, dec_hook=other)
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from error
    if surplus := list(_surplus(value, made, extensible, "$")):
        raise ValueError(f"Object has unknown fields - at {', '.join(f'`{place}`' for place in surplus)}")
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
