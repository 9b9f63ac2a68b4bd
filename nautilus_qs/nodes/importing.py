"""Strategy paths resolved before anything runs, with errors that name the setting."""

import difflib
from importlib import import_module
from typing import Any

from nautilus_qs.config import RunConfig, StrategyEntry, decode
from nautilus_qs.errors import ConfigError


def resolve_strategies(config: RunConfig) -> list[str]:
    """Import every strategy and decode its parameters; return the names.

    Raises
    ------
    ConfigError
        If a path does not resolve, or parameters are unknown or out of range.
    """
    for entry in config.strategies:
        params_of(entry)
    return [entry.name for entry in config.strategies]


def params_of(entry: StrategyEntry) -> Any:
    """Return the decoded parameters of a strategy."""
    config_class = _attribute(entry, f"{entry.path}Config")
    _attribute(entry, entry.path)
    kind = next(f.type for f in _fields(config_class) if f.name == "params")
    return decode(entry.params, kind, f"strategies.{entry.name}.params")


def rule_of(entry: StrategyEntry) -> Any:
    """Return the pure rule of a strategy, built from its parameters."""
    return _attribute(entry, entry.path).RULE(params_of(entry))


def _fields(struct: Any) -> Any:
    import msgspec

    return msgspec.structs.fields(struct)


def _attribute(entry: StrategyEntry, path: str) -> Any:
    module_name, _, name = path.partition(":")
    try:
        module = import_module(module_name)
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"path of strategy {entry.name} must name a module that can be imported, {module_name!r} cannot ({error})"
        ) from error
    found = getattr(module, name, None)
    if found is None:
        near = difflib.get_close_matches(name, dir(module), n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ConfigError(f"path of strategy {entry.name} must name a class, {module_name} has no {name!r}{hint}")
    return found
