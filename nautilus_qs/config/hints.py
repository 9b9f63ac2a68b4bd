"""Decoding that says where, what was expected, and the nearest known key."""

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Any, get_args, get_origin

import msgspec
from msgspec import Struct

from nautilus_qs.errors import ConfigError


def decode[T](values: Mapping[str, Any], kind: type[T], where: str) -> T:
    """Decode plain values into a frozen struct, strictly.

    Raises
    ------
    ConfigError
        With the place of the value, what was expected, and the nearest known key.
    """
    try:
        return msgspec.convert(values, kind, strict=False)
    except msgspec.ValidationError as error:
        hint = _hint(str(error), values, kind)
        raise ConfigError(f"{where}: {error}{hint}") from (error.__cause__ or error)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from error


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return a question that names the nearest known word, "" when none is near.

    Examples
    --------
    >>> did_you_mean("max_heet", ["max_heat", "seed"])
    "; did you mean 'max_heat'?"
    """
    near = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def _hint(message: str, values: Any, kind: Any) -> str:
    """Return the nearest known key for an unknown one, and the keys that may stand there."""
    if "missing required field" in message:
        return "; add it"
    if "unknown field" not in message:
        return ""
    word = message.split("`")[1]
    path = message.rpartition("`$")[2].rstrip("`") if "`$" in message else ""
    struct = _struct_at(kind, path)
    if struct is None:
        return ""
    known = list(struct.__struct_fields__)
    return did_you_mean(word, known) or f"; known here: {', '.join(known)}"


def _struct_at(kind: Any, path: str) -> Any:
    """Return the struct type at a msgspec path such as ``.venues[0].name``."""
    current = kind
    for part in [p for p in re.sub(r"\[[^]]*\]", "", path).split(".") if p]:
        hints = msgspec.structs.fields(current) if _is_struct(current) else ()
        found = next((f.type for f in hints if f.encode_name == part), None)
        if found is None:
            return None
        current = _innermost(found)
    return current if _is_struct(current) else None


def _innermost(kind: Any) -> Any:
    while get_origin(kind) is not None:
        inner = [a for a in get_args(kind) if a not in (type(None), Ellipsis)]
        if not inner:
            return kind
        kind = inner[-1]
    args = [a for a in get_args(kind) if a is not type(None)]
    return args[0] if args else kind


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Struct)
