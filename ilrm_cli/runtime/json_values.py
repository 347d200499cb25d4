"""Type checks of decoded JSON, and JSON without infinities and NaN."""

import math
import types
from collections.abc import Mapping
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints


def misfits(values: Mapping[str, Any], declared: type) -> list[str]:
    """Return the names of the values that do not have the type of the field of that name in the dataclass `declared`.

    Names without a field are ignored.
    """
    hints = get_type_hints(declared)
    return [name for name, value in values.items() if name in hints and not _fits(value, hints[name])]


def _fits(value: Any, hint: Any) -> bool:
    """Check plain types, literals, mappings, tuples (JSON lists) and unions of these; an int counts as a float."""
    origin = get_origin(hint) or hint
    if origin is Any:
        return True
    if origin is Literal:
        return value in get_args(hint)
    if origin in (Union, types.UnionType):
        return any(_fits(value, one) for one in get_args(hint))
    if origin in (int, float) and isinstance(value, bool):
        return False
    alike = {float: (int, float), tuple: (list, tuple)}
    return isinstance(value, alike.get(origin, origin))


def finite_json(value: Any) -> Any:
    """Replace infinities and NaN in a JSON value by null."""
    if isinstance(value, Mapping):
        return {key: finite_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite_json(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
