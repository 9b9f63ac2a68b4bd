"""YAML, then ``NQS__*`` environment variables, then overrides: the only reader of the environment."""

import importlib.resources
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import yaml
from msgspec import Struct

from nautilus_qs.config.hints import decode, did_you_mean
from nautilus_qs.config.run import RunConfig
from nautilus_qs.config.system import SystemConfig
from nautilus_qs.errors import ConfigError, NotFoundError

ENV_PREFIX = "NQS__"


def configs_dir() -> Path:
    """Return the folder of the configurations that ship with the package."""
    folder = importlib.resources.files("configs")
    for path in getattr(folder, "_paths", [folder]):
        return Path(str(path))
    raise ConfigError("the configs folder of the package was not found; install nautilus-qs again")


def find_config(name: str) -> Path:
    """Return the file that `name` means: a path, or a configuration that ships with the package.

    Raises
    ------
    NotFoundError
        If there is neither.
    """
    for path in (Path(name), configs_dir() / name, configs_dir() / f"{name}.yaml"):
        if path.is_file():
            return path
    known = sorted(p.stem for p in configs_dir().glob("*.yaml"))
    raise NotFoundError(f"configuration {name!r} is no file and not one of {known}" + did_you_mean(name, known))


def load(name: str, overrides: Iterable[str] = (), environ: Mapping[str, str] | None = None) -> RunConfig:
    """Read the configuration of a backtest; see :func:`load_as`."""
    return load_as(RunConfig, name, overrides, environ)


def load_as[T: SystemConfig](
    kind: type[T], name: str, overrides: Iterable[str] = (), environ: Mapping[str, str] | None = None
) -> T:
    """Read a configuration.

    Parameters
    ----------
    kind
        Of a backtest or of a live node.
    name
        Path of a YAML file, or the name of one that ships with the package.
    overrides
        ``a.b=c`` texts; the value is read as YAML. They win over the environment, which wins over the file.
    environ
        Stands in for the process's environment in tests.

    Raises
    ------
    ConfigError
        If a key is unknown, a value out of range, or the file is no YAML mapping.
    """
    path = find_config(name)
    values = read_yaml(path)
    _resolve_allocation(values, path)
    for keys, text in _env_overrides(os.environ if environ is None else environ):
        _set(values, keys, text)
    for item in overrides:
        path_to, eq, text = item.partition("=")
        if not eq:
            raise ConfigError(f"--set must be key=value, as risk.max_heat=0.05, was {item!r}")
        _set(values, path_to.split("."), text)
    # A second time: an override may name another file.
    _resolve_allocation(values, path)
    return decode(values, kind, str(path))


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML mapping.

    Raises
    ------
    ConfigError
        If the file is missing, no YAML, or no mapping.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(f"{path} must exist, it does not; check the name") from error
    except OSError as error:
        raise ConfigError(f"{path} must be readable, was not: {error.strerror}; check its permissions") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} must be YAML, found: {error}; correct it") from error
    if not isinstance(values, dict):
        raise ConfigError(
            f"{path} must hold a mapping of settings, found {type(values).__name__}; see nqs config schema"
        )
    return values


def schema() -> dict[str, Any]:
    """Return the JSON schema of a run configuration, for editors."""
    return msgspec.json.schema(RunConfig)


def to_values(config: Struct) -> Any:
    """Return a configuration as plain values, ready for YAML or JSON."""
    return msgspec.to_builtins(config)


def _resolve_allocation(values: dict[str, Any], path: Path) -> None:
    if isinstance(values.get("allocation"), str):
        values["allocation"] = read_yaml(_sibling(path, values["allocation"]))


def _env_overrides(environ: Mapping[str, str]) -> list[tuple[list[str], str]]:
    return [
        (key.removeprefix(ENV_PREFIX).lower().split("__"), value)
        for key, value in sorted(environ.items())
        if key.startswith(ENV_PREFIX)
    ]


def _set(values: dict[str, Any], keys: list[str], text: str) -> None:
    target: Any = values
    for i, key in enumerate(keys[:-1]):
        target = _named(target, key, keys[: i + 1]) if isinstance(target, list) else target.setdefault(key, {})
        if not isinstance(target, dict | list):
            raise ConfigError(
                f"{'.'.join(keys)} must be a setting; {'.'.join(keys[: i + 1])} is a value, not a section"
            )
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"the value of {'.'.join(keys)} must be YAML, was {text!r}; correct it") from error
    if isinstance(target, list):
        raise ConfigError(f"{'.'.join(keys)} must name a setting inside one of the entries of {'.'.join(keys[:-1])}")
    target[keys[-1]] = value


def _named(entries: list[Any], key: str, keys: list[str]) -> Any:
    """Return the entry of a list by its name or number: ``strategies.breakout.params.stop_atr=2``."""
    if key.isdigit() and int(key) < len(entries):
        return entries[int(key)]
    for entry in entries:
        if isinstance(entry, dict) and entry.get("name") == key:
            return entry
    names = [str(e.get("name")) for e in entries if isinstance(e, dict)]
    raise ConfigError(f"{'.'.join(keys)} must be one of {names}" + did_you_mean(key, names))


def _sibling(path: Path, name: str) -> Path:
    beside = path.parent / name
    return beside if beside.is_file() else find_config(name)
