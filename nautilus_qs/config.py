"""Settings: YAML, then ``NQS__*`` environment variables, then ``--set``, decoded into frozen structs.

The only reader of the environment. An unknown key is an error with the nearest known one; nothing that can lose money
has a default here that is not also the documented rule. Secrets are no part of any file.
"""

import difflib
import importlib.resources
import math
import os
import re
import zoneinfo
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args, get_origin

import msgspec
import yaml
from msgspec import Struct

from nautilus_qs.allocation import AllocationParams
from nautilus_qs.costs import HALF_SPREAD_BPS
from nautilus_qs.desk.params import DeskParams
from nautilus_qs.errors import ConfigError, NotFoundError
from nautilus_qs.regime.rules import RegimeParams
from nautilus_qs.risk.breakers import BreakerLimits
from nautilus_qs.risk.limits import RiskLimits
from nautilus_qs.sizing import SizingParams

ENV_PREFIX = "NQS__"


class VenueConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One venue and the account held there.

    Parameters
    ----------
    name
        The venue in instrument ids (``SPY.ALPACA``).
    account
        ``margin`` or ``cash``; a cash account never borrows.
    balances
        What the account starts with, as ``["100000 USD"]``.
    leverage
        Of a margin account: the most notional per unit of equity; 1 means that positions are paid in full.
    fees
        Name of a dated fee table in ``configs/fees``, or the path of one.
    borrow_rate, margin_rate
        Yearly rates on short market value and on borrowed cash.
    """

    name: str
    account: str
    balances: tuple[str, ...]
    leverage: float = 1.0
    fees: str = "none"
    borrow_rate: float = 0.0
    margin_rate: float = 0.0

    def __post_init__(self) -> None:
        if self.account not in ("margin", "cash"):
            raise ConfigError(f"account of venue {self.name} must be margin or cash, was {self.account!r}")
        if not self.balances:
            raise ConfigError(f"balances of venue {self.name} must name at least one amount, as ['100000 USD']")
        for text in self.balances:
            _require_money(self.name, text)
        if not 1.0 <= self.leverage <= 10.0:
            raise ConfigError(f"leverage of venue {self.name} must be in [1, 10], was {self.leverage}; set venues")
        for name in ("borrow_rate", "margin_rate"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ConfigError(f"{name} of venue {self.name} must be in [0, 1], was {getattr(self, name)}")


class DataConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Instruments and the bars that are traded, as ``1-DAY-LAST`` or ``1-HOUR-LAST``."""

    instruments: tuple[str, ...]
    bar: str = "1-DAY-LAST"


class StrategyEntry(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One strategy: where its class is, what it trades, and its parameters.

    Parameters
    ----------
    name
        Its name in weights, limits and results; letters, digits and underscores.
    path
        ``module:Class`` of the shell; its config class is ``<Class>Config`` in the same module.
    instruments
        Which of the data's instruments it trades; all when left out.
    params
        The rule's parameters.
    flat_on_stop
        Whether its positions are closed before it stops; off, they keep their stops.
    """

    name: str
    path: str
    instruments: tuple[str, ...] | None = None
    params: dict[str, Any] = {}
    flat_on_stop: bool = False

    def __post_init__(self) -> None:
        if not self.name.replace("_", "").isalnum():
            raise ConfigError(f"a strategy name must be letters, digits and underscores, was {self.name!r}")
        if self.path.count(":") != 1:
            raise ConfigError(f"path of strategy {self.name} must be 'module:Class', was {self.path!r}")


class RegimeConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which daily bars speak for the market, and which macro series are read.

    Parameters
    ----------
    reference
        The instrument whose daily bars are classified.
    bar
        Its bars.
    vix, breadth
        Names of macro series in the catalog, "" where there is none.
    crisis_guard
        Whether risk takes its crisis values from the first day labelled crisis, without waiting for the confirmation.
    params
        The thresholds of the regions.
    """

    reference: str
    bar: str = "1-DAY-LAST"
    vix: str = ""
    breadth: str = ""
    crisis_guard: bool = True
    params: RegimeParams = RegimeParams()


class ExecutionConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How a simulated venue fills.

    Parameters
    ----------
    latency_ms
        From sending an order to its arrival.
    half_spread_bps
        By kind of instrument (index, stock, crypto).
    impact_bps
        At a quantity of 1 % of the mean volume; grows with the square root.
    cost_multiplier
        Scales spread and impact, for stress runs.
    """

    latency_ms: int = 1000
    half_spread_bps: dict[str, float] = msgspec.field(default_factory=lambda: dict(HALF_SPREAD_BPS))
    impact_bps: float = 10.0
    cost_multiplier: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.latency_ms <= 60_000:
            raise ConfigError(f"execution.latency_ms must be in [0, 60000], was {self.latency_ms}")
        for name, bps in (*self.half_spread_bps.items(), ("impact", self.impact_bps)):
            if not 0 <= bps <= 500:
                key = "impact_bps" if name == "impact" else f"half_spread_bps.{name}"
                raise ConfigError(f"execution.{key} must be in [0, 500] basis points, was {bps}; set execution.{key}")
        if not 0 <= self.cost_multiplier <= 100:
            raise ConfigError(f"execution.cost_multiplier must be in [0, 100], was {self.cost_multiplier}")


class RunConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Everything one backtest is told.

    Parameters
    ----------
    timerange
        ``YYYYMMDD-YYYYMMDD``, the first and the last day that may trade.
    warmup_days
        Calendar days before the range that warm the indicators.
    catalog
        Folder of the Parquet catalog.
    allocation
        Weights by regime: a file name in ``configs/``, a path, or the values themselves.
    benchmark
        Instruments whose equal-weight buy and hold the report compares with.
    """

    name: str
    timerange: str
    venues: tuple[VenueConfig, ...]
    data: tuple[DataConfig, ...]
    strategies: tuple[StrategyEntry, ...]
    regime: RegimeConfig | None = None
    catalog: str = "var/catalog"
    runs: str = "var/runs"
    trader: str = "NQS"
    seed: int = 1
    warmup_days: int = 400
    day_zone: str = "America/New_York"
    allocation: AllocationParams
    sizing: SizingParams = SizingParams()
    risk: RiskLimits = RiskLimits()
    breakers: BreakerLimits = BreakerLimits()
    execution: ExecutionConfig = ExecutionConfig()
    benchmark: tuple[str, ...] = ()
    chunk_size: int | None = None

    def __post_init__(self) -> None:
        span_ns(self.timerange)
        names = [s.name for s in self.strategies]
        if len(set(names)) != len(names):
            raise ConfigError(f"strategy names must be unique, found {names}")
        if not self.strategies:
            raise ConfigError("strategies must name at least one strategy")
        venues = {v.name for v in self.venues}
        for iid in self.instruments:
            if iid.rpartition(".")[2] not in venues:
                raise ConfigError(f"the venue of {iid} must be one of venues, which has {sorted(venues)}")
        for strategy in self.strategies:
            for iid in strategy.instruments or ():
                if iid not in self.instruments:
                    raise ConfigError(
                        f"instruments of strategy {strategy.name} must be among data.instruments, {iid} is not"
                        + _did_you_mean(iid, self.instruments)
                    )
            if strategy.name not in self.allocation.default:
                raise ConfigError(
                    f"allocation.default must give every strategy a weight, {strategy.name} has none"
                    + _did_you_mean(strategy.name, self.allocation.default)
                )
        if len(set(self.instruments)) != len(self.instruments):
            raise ConfigError(f"data.instruments must name an instrument once, found {list(self.instruments)}")
        if not self.instruments:
            raise ConfigError("data.instruments must name at least one instrument")
        if self.day_zone not in zoneinfo.available_timezones():
            raise ConfigError(
                f"day_zone must be a time zone, as America/New_York, was {self.day_zone!r}; set day_zone"
                + _did_you_mean(self.day_zone, zoneinfo.available_timezones())
            )
        if not 0 <= self.seed < 2**63:
            raise ConfigError(f"seed must be in [0, 2^63), was {self.seed}; set seed")
        if not self.trader.replace("_", "").isalnum():
            raise ConfigError(f"trader must be letters, digits and underscores, was {self.trader!r}; set trader")
        if not 0 <= self.warmup_days <= 3660:
            raise ConfigError(f"warmup_days must be in [0, 3660], was {self.warmup_days}")
        if self.chunk_size is not None and self.chunk_size < 1000:
            raise ConfigError(f"chunk_size must be at least 1000 rows, was {self.chunk_size}")

    @property
    def instruments(self) -> tuple[str, ...]:
        """Every instrument that is traded."""
        return tuple(iid for data in self.data for iid in data.instruments)

    @property
    def desk(self) -> DeskParams:
        """Everything the risk desk decides by."""
        return DeskParams(
            allocation=self.allocation,
            sizing=self.sizing,
            risk=self.risk,
            breakers=self.breakers,
            crisis_guard=self.regime is None or self.regime.crisis_guard,
        )

    def only(self, names: Sequence[str]) -> "RunConfig":
        """Return this configuration with the named strategies alone.

        Raises
        ------
        NotFoundError
            If a name is not among the strategies.
        """
        known = [s.name for s in self.strategies]
        for name in names:
            if name not in known:
                raise NotFoundError(f"strategy {name!r} must be one of {known}" + _did_you_mean(name, known))
        return msgspec.structs.replace(self, strategies=tuple(s for s in self.strategies if s.name in names))


def span_ns(timerange: str) -> tuple[int, int]:
    """Return first and last nanosecond (UTC) of ``YYYYMMDD-YYYYMMDD``.

    Raises
    ------
    ConfigError
        If the text is no range, or runs backwards.

    Examples
    --------
    >>> span_ns("20140101-20140102")
    (1388534400000000000, 1388707199999999999)
    """
    first, dash, last = timerange.partition("-")
    try:
        if not dash:
            raise ValueError("no dash")
        start, end = (datetime.strptime(text, "%Y%m%d").replace(tzinfo=UTC) for text in (first, last))
    except ValueError as error:
        raise ConfigError(f"timerange must be YYYYMMDD-YYYYMMDD, was {timerange!r}") from error
    if end < start:
        raise ConfigError(f"timerange must not run backwards, was {timerange!r}")
    return int(start.timestamp()) * 10**9, (int(end.timestamp()) + 86_400) * 10**9 - 1


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
    raise NotFoundError(f"configuration {name!r} is no file and not one of {known}" + _did_you_mean(name, known))


def load(name: str, overrides: Iterable[str] = (), environ: Mapping[str, str] | None = None) -> RunConfig:
    """Read a run configuration.

    Parameters
    ----------
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
    return decode(values, RunConfig, str(path))


def _resolve_allocation(values: dict[str, Any], path: Path) -> None:
    if isinstance(values.get("allocation"), str):
        values["allocation"] = read_yaml(_sibling(path, values["allocation"]))


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


def schema() -> dict[str, Any]:
    """Return the JSON schema of a run configuration, for editors."""
    return msgspec.json.schema(RunConfig)


def to_values(config: Struct) -> Any:
    """Return a configuration as plain values, ready for YAML or JSON."""
    return msgspec.to_builtins(config)


def _require_money(venue: str, text: str) -> None:
    amount, _, currency = text.partition(" ")
    try:
        is_money = 0 < float(amount) < math.inf and currency.isalpha() and currency.isupper()
    except ValueError:
        is_money = False
    if not is_money:
        raise ConfigError(
            f"balances of venue {venue} must be amounts above 0 with their currency, as '100000 USD', was {text!r}"
        )


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
    raise ConfigError(f"{'.'.join(keys)} must be one of {names}" + _did_you_mean(key, names))


def _sibling(path: Path, name: str) -> Path:
    beside = path.parent / name
    return beside if beside.is_file() else find_config(name)


def _did_you_mean(word: str, known: Iterable[str]) -> str:
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
    return _did_you_mean(word, known) or f"; known here: {', '.join(known)}"


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
