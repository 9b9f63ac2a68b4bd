"""Strategy paths resolved before anything runs, with errors that name the setting."""

import difflib
import pkgutil
from collections.abc import Iterable
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
    shell = _attribute(entry, entry.path)
    config_class = _attribute(entry, f"{entry.path}Config")
    kind = next((f.type for f in _fields(config_class) if f.name == "params"), None)
    if kind is None or getattr(shell, "RULE", None) is None:
        raise ConfigError(
            f"path of strategy {entry.name} must name a strategy with a rule and its parameters, {entry.path} has "
            f"none; set strategies.{entry.name}.path"
        )
    return decode(entry.params, kind, f"strategies.{entry.name}.params")


def rule_of(entry: StrategyEntry) -> Any:
    """Return the pure rule of a strategy, built from its parameters."""
    return _attribute(entry, entry.path).RULE(params_of(entry))


def _fields(struct: Any) -> Any:
    import msgspec

    is_struct = isinstance(struct, type) and issubclass(struct, msgspec.Struct)
    return msgspec.structs.fields(struct) if is_struct else ()


def _attribute(entry: StrategyEntry, path: str) -> Any:
    module_name, _, name = path.partition(":")
    try:
        module = import_module(module_name)
    except Exception as error:  # whatever the module does when it is imported
        raise ConfigError(
            f"path of strategy {entry.name} must name a module that can be imported, {module_name!r} cannot "
            f"({error}){_meant(module_name, _siblings(module_name))}; set strategies.{entry.name}.path"
        ) from error
    found = getattr(module, name, None)
    if found is None:
        raise ConfigError(
            f"path of strategy {entry.name} must name a class, {module_name} has no {name!r}"
            f"{_meant(name, dir(module))}; set strategies.{entry.name}.path"
        )
    return found


def _siblings(module_name: str) -> list[str]:
    """Return the modules beside one that may not exist."""
    package = module_name.rpartition(".")[0]
    try:
        places = list(import_module(package).__path__) if package else None
    except (ImportError, AttributeError):
        return []
    return [f"{package}.{module.name}" if package else module.name for module in pkgutil.iter_modules(places)]


def _meant(word: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(word, list(known), n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""
