"""Whether values that came from JSON have the types that a dataclass declares."""

import types
from collections.abc import Mapping
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints


def misfits(values: Mapping[str, Any], declared: type) -> list[str]:
    """Names of the values that are not of the type which the dataclass `declared` gives to the field of that name.

    Names that it has no field for are passed over.
    """
    hints = get_type_hints(declared)
    return [name for name, value in values.items() if name in hints and not _fits(value, hints[name])]


def _fits(value: Any, hint: Any) -> bool:
    """For plain types, literals, mappings, tuples (JSON's lists) and either of several; a whole number is a float."""
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
