"""Bad input through the command line: the exit code, a message that says what to do, and nothing half-written left."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from catalog.sessions import sessions_of
from tests.commands import Answer, nqs, start
from tests.runs import NEW_YORK, STRATEGIES, daily, dates, run_values, values_of, walk, write_catalog, write_config

OK, ERROR, USAGE, NOT_FOUND, CONFIGURATION = 0, 1, 2, 3, 4
N = 300
VENUE = {"name": "SIM", "account": "margin", "balances": ["100000 USD"]}
BREAKOUT = {"name": "breakout", "path": STRATEGIES["breakout"]}
WEIGHTS = {"bollinger_bounce": 0.4, "rsi_reversion": 0.3, "breakout": 0.3}


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bad") / "catalog"
    bars = [daily(iid, walk(N, seed)) for seed, iid in enumerate(("AAA.SIM", "BBB.SIM"))]
    return write_catalog(path, bars, [values_of("VIX", np.full(N, 15.0))])


def values(place: Path, folder: Path, /, **changes: Any) -> dict[str, Any]:
    settings = {"timerange": "20150101-20151231", "runs": str(folder / "runs")}
    made = {**run_values(place, ["AAA.SIM", "BBB.SIM"], **settings), **changes}
    return {name: value for name, value in made.items() if value is not ...}


def refused(answer: Answer, code: int, *words: str) -> None:
    """See that a refusal has its code, says all of this in both forms, and is no traceback."""
    assert answer.code == code, answer
    assert "Traceback" not in answer.err
    told = answer.json
    assert set(told) == {"error", "message", "exit_code"}
    assert told["exit_code"] == code
    for word in words:
        assert word in told["message"], told["message"]
        assert word in answer.err


SETTINGS: dict[str, tuple[dict[str, Any], int, tuple[str, ...]]] = {
    "unknown key": ({"strategis": []}, CONFIGURATION, ("config.yaml", "`strategis`", "did you mean 'strategies'?")),
    "unknown key of a section": (
        {"risk": {"max_haet": 0.1}}, CONFIGURATION, ("config.yaml", "`max_haet`", "$.risk", "did you mean 'max_heat'?"),
    ),
    "unknown key in a list": (
        {"venues": [{**VENUE, "leverge": 2}]}, CONFIGURATION, ("$.venues[0]", "did you mean 'leverage'?"),
    ),
    "unknown parameter": (
        {"strategies": [{**BREAKOUT, "params": {"entry_bar": 3}}]}, CONFIGURATION,
        ("strategies.breakout.params", "did you mean 'entry_bars'?"),
    ),
    "key left out": ({"timerange": ...}, CONFIGURATION, ("config.yaml", "`timerange`", "add it")),
    "value of another type": ({"risk": {"max_heat": "much"}}, CONFIGURATION, ("`float`", "`str`", "$.risk.max_heat")),
    "negative limit": (
        {"risk": {"max_heat": -0.1}}, CONFIGURATION, ("config.yaml", "(0, 1]", "was -0.1", "set risk.max_heat"),
    ),
    "huge limit": ({"risk": {"max_heat": 10}}, CONFIGURATION, ("(0, 1]", "was 10", "set risk.max_heat")),
    "limit that is no number": ({"risk": {"max_heat": float("nan")}}, CONFIGURATION, ("(0, 1]", "was nan")),
    "limit of an instrument": (
        {"risk": {"instruments": {"AAA.SIM": {"max_fraction": 3}}}}, CONFIGURATION, ("max_fraction", "(0, 1]", "was 3"),
    ),
    "limits out of order": (
        {"risk": {"max_heat": 0.05, "max_heat_choppy": 0.08}}, CONFIGURATION, ("max_heat_choppy", "was 0.08"),
    ),
    "huge risk fraction": (
        {"sizing": {"base_fraction": 0.5}}, CONFIGURATION, ("0.05]", "was 0.5", "set sizing.base_fraction"),
    ),
    "breaker that never trips": (
        {"breakers": {"daily_loss": 0.9}}, CONFIGURATION, ("0.5]", "was 0.9", "set breakers.daily_loss"),
    ),
    "huge leverage": ({"venues": [{**VENUE, "leverage": 100}]}, CONFIGURATION, ("SIM", "[1, 10]", "was 100")),
    "negative balance": ({"venues": [{**VENUE, "balances": ["-5 USD"]}]}, CONFIGURATION, ("above 0", "was '-5 USD'")),
    "balance in words": ({"venues": [{**VENUE, "balances": ["lots"]}]}, CONFIGURATION, ("100000 USD", "was 'lots'")),
    "negative spread": (
        {"execution": {"half_spread_bps": {"index": -1}}}, CONFIGURATION,
        ("[0, 500]", "was -1", "set execution.half_spread_bps.index"),
    ),
    "negative seed": ({"seed": -1}, CONFIGURATION, ("was -1", "set seed")),
    "unknown time zone": ({"day_zone": "America/New_Yrok"}, CONFIGURATION, ("did you mean 'America/New_York'?",)),
    "weights over 1": (
        {"allocation": {"default": {**WEIGHTS, "breakout": 0.5}}}, CONFIGURATION,
        ("at most 1", "was 1.2", "set allocation.default"),
    ),
    "negative weight": (
        {"allocation": {"default": {**WEIGHTS, "breakout": -0.3}}}, CONFIGURATION,
        ("[0, 1]", "was -0.3", "set allocation.default.breakout"),
    ),
    "strategy without a weight": (
        {"allocation": {"default": {"brakout": 0.3}}, "strategies": [BREAKOUT]}, CONFIGURATION,
        ("breakout has none", "did you mean 'brakout'?"),
    ),
    "module that is not there": (
        {"strategies": [{**BREAKOUT, "path": "strategies.brekout:Breakout"}]}, CONFIGURATION,
        ("'strategies.brekout'", "did you mean 'strategies.breakout'?", "set strategies.breakout.path"),
    ),
    "class that is not there": (
        {"strategies": [{**BREAKOUT, "path": "strategies.breakout:Brekout"}]}, CONFIGURATION,
        ("'Brekout'", "did you mean 'Breakout'?", "set strategies.breakout.path"),
    ),
    "class that is no strategy": (
        {"strategies": [{**BREAKOUT, "path": "strategies.base:RuleStrategy"}]}, CONFIGURATION,
        ("strategies.base:RuleStrategy", "set strategies.breakout.path"),
    ),
    "path without a class": (
        {"strategies": [{**BREAKOUT, "path": "strategies.breakout"}]}, CONFIGURATION, ("'module:Class'",),
    ),
    "strategy named twice": ({"strategies": [BREAKOUT, BREAKOUT]}, CONFIGURATION, ("unique",)),
    "missing instrument": (
        {"data": [{"instruments": ["AAB.SIM"]}]}, NOT_FOUND, ("AAB.SIM", "did you mean AAA.SIM?", "ingest it"),
    ),
    "missing reference": ({"regime": {"reference": "AAB.SIM"}}, NOT_FOUND, ("AAB.SIM", "did you mean AAA.SIM?")),
    "missing benchmark": ({"benchmark": ["BBA.SIM"]}, NOT_FOUND, ("BBA.SIM", "did you mean")),
    "missing series": (
        {"regime": {"reference": "AAA.SIM", "vix": "VXI"}}, NOT_FOUND, ("'VXI'", "did you mean VIX?"),
    ),
    "missing bar size": (
        {"data": [{"instruments": ["AAA.SIM"], "bar": "1-HOUR-LAST"}]}, NOT_FOUND, ("1-HOUR-LAST", "has 1-DAY-LAST"),
    ),
    "venue that is not there": ({"data": [{"instruments": ["AAA.SMI"]}]}, CONFIGURATION, ("AAA.SMI", "['SIM']")),
    "strategy's instrument that is not traded": (
        {"strategies": [{**BREAKOUT, "instruments": ["AAC.SIM"]}]}, CONFIGURATION, ("did you mean 'AAA.SIM'?",),
    ),
    "missing fee table": ({"venues": [{**VENUE, "fees": "alpca"}]}, NOT_FOUND, ("'alpca'", "configs/fees")),
    "missing weights file": (
        {"allocation": "strategy_alocation.yaml"}, NOT_FOUND, ("did you mean 'strategy_allocation'?",),
    ),
    "missing catalog": ({"catalog": "nowhere"}, NOT_FOUND, ("nowhere", "catalog.json", "nqs data ingest")),
    "time range without data": (
        {"timerange": "19900101-19901231"}, ERROR,
        ("AAA.SIM", "1990-01-01", "2015-01-02", "change the time range or ingest more"),
    ),
    "time range backwards": ({"timerange": "20160101-20150101"}, CONFIGURATION, ("backwards", "'20160101-20150101'")),
    "time range malformed": ({"timerange": "2015"}, CONFIGURATION, ("YYYYMMDD-YYYYMMDD", "was '2015'")),
    "time range of no date": ({"timerange": "20151301-20160101"}, CONFIGURATION, ("YYYYMMDD-YYYYMMDD", "20151301")),
}  # fmt: skip


@pytest.mark.parametrize("case", SETTINGS)
def test_backtest_with_a_bad_setting_is_refused(catalog: Path, tmp_path: Path, case: str) -> None:
    changes, code, words = SETTINGS[case]
    config = write_config(tmp_path / "config.yaml", values(catalog, tmp_path, **changes))
    refused(nqs("backtest", config, "--json"), code, *words)
    assert [path.name for path in tmp_path.iterdir()] == ["config.yaml"]


FILES: dict[str, tuple[bytes | None, int, tuple[str, ...]]] = {
    "missing": (None, NOT_FOUND, ("config.yaml", "is no file", "demo")),
    "no yaml": (b"name: [1", CONFIGURATION, ("config.yaml", "must be YAML", "line 1")),
    "no text": (b"\xff\xfe\x00", CONFIGURATION, ("config.yaml", "must be YAML")),
    "no mapping": (b"- 1", CONFIGURATION, ("config.yaml", "mapping", "found list")),
    "empty": (b"", CONFIGURATION, ("config.yaml", "mapping")),
}


@pytest.mark.parametrize("command", ["backtest", "regime", "config check", "config show"])
@pytest.mark.parametrize("case", FILES)
def test_command_with_a_bad_file_is_refused(tmp_path: Path, case: str, command: str) -> None:
    content, code, words = FILES[case]
    if content is not None:
        (tmp_path / "config.yaml").write_bytes(content)
    refused(nqs(*command.split(), tmp_path / "config.yaml", "--json"), code, *words)


OPTIONS: dict[str, tuple[tuple[str, ...], int, tuple[str, ...]]] = {
    "set unknown key": (("--set", "risk.max_haet=1"), CONFIGURATION, ("`max_haet`", "did you mean 'max_heat'?")),
    "set unknown section": (("--set", "rsik.max_heat=1"), CONFIGURATION, ("`rsik`", "did you mean 'risk'?")),
    "set out of range": (("--set", "risk.max_heat=7"), CONFIGURATION, ("(0, 1]", "was 7", "set risk.max_heat")),
    "set without a value": (("--set", "risk"), CONFIGURATION, ("key=value", "'risk'")),
    "set what is no yaml": (("--set", "risk.max_heat=[1"), CONFIGURATION, ("risk.max_heat", "YAML", "'[1'")),
    "set inside a value": (("--set", "name.a.b=1"), CONFIGURATION, ("name", "not a section")),
    "set unknown strategy": (
        ("--set", "strategies.brakout.params.stop_atr=2"), CONFIGURATION,
        ("strategies.brakout", "did you mean 'breakout'?"),
    ),
    "unknown strategy": (("-s", "brakout"), NOT_FOUND, ("'brakout'", "did you mean 'breakout'?")),
    "unknown strategy in a list": (("--strategy-list", "rsi_reversion", "brakout"), NOT_FOUND, ("'brakout'",)),
    "time range malformed": (("--timerange", "2015-2016"), CONFIGURATION, ("YYYYMMDD-YYYYMMDD", "'2015-2016'")),
    "unknown option": (("--sett", "a=1"), USAGE, ("--sett",)),
}  # fmt: skip


@pytest.mark.parametrize("case", OPTIONS)
def test_backtest_with_a_bad_option_is_refused(catalog: Path, tmp_path: Path, case: str) -> None:
    options, code, words = OPTIONS[case]
    config = write_config(tmp_path / "config.yaml", values(catalog, tmp_path))
    refused(nqs("backtest", config, "--json", *options), code, *words)
    assert not (tmp_path / "runs").exists()


def test_unknown_command_is_a_usage_error() -> None:
    refused(nqs("bcktest", "demo", "--json"), USAGE, "bcktest", "backtest")


def test_unknown_run_is_not_found(tmp_path: Path) -> None:
    refused(nqs("runs", "show", "zzz", "--runs", tmp_path, "--json"), NOT_FOUND, "'zzz'", "nqs runs list")
    card = ("explain", "zzz", "--at", "2015-01-01", "-i", "AAA", "--runs", tmp_path, "--json")
    refused(nqs(*card), NOT_FOUND, "'zzz'")


def test_backtest_that_makes_no_trade_is_no_error(catalog: Path, tmp_path: Path) -> None:
    settings = {"timerange": "20150102-20150108", "strategies": [BREAKOUT]}
    answer = nqs("backtest", write_config(tmp_path / "c.yaml", values(catalog, tmp_path, **settings)), "--json")
    assert answer.code == OK, answer.err
    assert answer.json["counts"]["trades"] == 0


def test_refusal_of_a_process_has_its_exit_code_and_both_streams(catalog: Path, tmp_path: Path) -> None:
    config = write_config(tmp_path / "config.yaml", values(catalog, tmp_path, risk={"max_heat": 10}))
    process = start("backtest", config, "--json")
    out, err = process.communicate()
    refused(Answer(process.returncode, out, err), CONFIGURATION, "set risk.max_heat")
    assert err.count("\n") == 1


# -- data ------------------------------------------------------------------------------------------------------------

BARS: dict[str, Any] = {
    "files": "bars.csv", "symbol": "AAA", "venue": "SIM", "kind": "index", "calendar": NEW_YORK, "timeframe": "1-DAY",
    "stamp": "session", "price_kind": "split_adjusted", "sector": "",
}  # fmt: skip
HOURS = {**BARS, "timeframe": "1-HOUR", "stamp": "bar_start", "timezone": "UTC"}


def days() -> pd.DataFrame:
    return walk(60, 1).set_axis(dates(60), axis=0)


def hours(*, zone: str, stamp: str) -> pd.DataFrame:
    """Return hourly bars of New York's sessions in a week, stamped in a time zone without saying so."""
    opens, closes = sessions_of(NEW_YORK).bounds(dates(5))
    starts = [range(first, last, 3600 * 10**9) for first, last in zip(opens, closes, strict=True)]
    index = pd.DatetimeIndex(pd.to_datetime([ts for session in starts for ts in session], utc=True)).as_unit("ns")
    if stamp == "bar_close":
        ends = np.repeat(closes, [len(session) for session in starts])
        index = pd.DatetimeIndex(pd.to_datetime(np.minimum(index.asi8 + 3600 * 10**9, ends), utc=True))
    return walk(len(index), 1).set_axis(index.tz_convert(zone).tz_localize(None), axis=0)


def nan(frame: pd.DataFrame) -> pd.DataFrame:
    frame.iloc[7, 3] = np.nan
    return frame


def unordered(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.iloc[[*range(20), 30, *range(20, 30), *range(31, len(frame))]]


def duplicated(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.iloc[[*range(20), 19, *range(20, len(frame))]]


def impossible(frame: pd.DataFrame) -> pd.DataFrame:
    frame.iloc[7, 1] = frame.iloc[7, 2] - 1.0
    return frame


def with_a_gap(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.drop(index=frame.index[7])


def on_holidays(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.set_axis(pd.date_range("2015-01-02", periods=len(frame), freq="D"), axis=0)


DATA: dict[str, tuple[Callable[[], pd.DataFrame], dict[str, Any], tuple[str, ...]]] = {
    "NaN": (lambda: nan(days()), BARS, ("nan: AAA.SIM from bars.csv", "must be a number", "found 1", "2015-01-13")),
    "unordered rows": (lambda: unordered(days()), BARS, ("unordered: AAA.SIM from bars.csv", "sort the file")),
    "rows twice": (lambda: duplicated(days()), BARS, ("duplicate: AAA.SIM from bars.csv", "found 1", "remove")),
    "impossible rows": (lambda: impossible(days()), BARS, ("impossible: AAA.SIM", "low <= open", "2015-01-13")),
    "a gap": (lambda: with_a_gap(days()), BARS, ("gap: AAA.SIM", "no bar may be missing", "2015-01-13")),
    "days without a session": (lambda: on_holidays(days()), BARS, ("not_a_session: AAA.SIM", "2015-01-03")),
    "local time called UTC": (
        lambda: hours(zone="America/New_York", stamp="bar_start"), HOURS,
        ("not_a_session: AAA.SIM", "check the time zone"),
    ),
    "bar starts called closes": (
        lambda: hours(zone="UTC", stamp="bar_start"), {**HOURS, "stamp": "bar_close"},
        ("not_a_session: AAA.SIM", "bar starts or bar closes"),
    ),
    "bar closes called starts": (
        lambda: hours(zone="UTC", stamp="bar_close"), HOURS, ("not_a_session: AAA.SIM", "bar starts or bar closes"),
    ),
}  # fmt: skip


def write_data(folder: Path, frame: pd.DataFrame, bars: dict[str, Any]) -> Path:
    """Write a CSV file and its mapping; return the mapping."""
    frame.to_csv(folder / "bars.csv", index_label="date")
    path = folder / "mapping.yaml"
    path.write_text(yaml.safe_dump({"name": "made", "bars": [bars]}), encoding="utf-8")
    return path


def ingest(folder: Path, mapping: Path, *more: str) -> Answer:
    return nqs("data", "ingest", mapping, "--catalog", folder / "catalog", "--json", *more)


def holds_nothing(folder: Path) -> bool:
    """Return whether a catalog's folder holds no data, no half of any, and is no catalog."""
    left = [path.name for path in (folder / "catalog").rglob("*") if path.is_file()]
    return set(left) <= {".lock"} and nqs("data", "list", "--catalog", folder / "catalog").code == NOT_FOUND


@pytest.mark.parametrize("case", DATA)
def test_ingest_of_faulty_bars_is_refused_by_name_until_accepted(tmp_path: Path, case: str) -> None:
    make, bars, words = DATA[case]
    mapping = write_data(tmp_path, make(), bars)
    answer = ingest(tmp_path, mapping)
    refused(answer, ERROR, *words)
    assert holds_nothing(tmp_path)
    assert nqs("data", "check", mapping, "--json").code == ERROR
    kinds = {line.partition(":")[0] for line in answer.json["message"].splitlines()[1:]}
    accept = [word for kind in sorted({*kinds, "gap"}) for word in ("--accept", kind)]
    accepted = ingest(tmp_path, mapping, *accept)
    assert accepted.code == OK, accepted.err
    assert kinds <= {finding["fault"] for finding in accepted.json["findings"]}


@pytest.mark.parametrize(
    ("stamp", "zone"), [("bar_start", "UTC"), ("bar_close", "UTC"), ("bar_start", "America/New_York")]
)
def test_ingest_of_well_described_hours_is_not_refused(tmp_path: Path, stamp: str, zone: str) -> None:
    bars = {**HOURS, "stamp": stamp, "timezone": zone}
    answer = ingest(tmp_path, write_data(tmp_path, hours(zone=zone, stamp=stamp), bars))
    assert answer.code == OK, answer.err
    assert answer.json["bars"] == {"AAA.SIM-1-HOUR-LAST-EXTERNAL": 35}


def test_ingest_of_times_without_a_zone_is_refused(tmp_path: Path) -> None:
    bars = {name: value for name, value in HOURS.items() if name != "timezone"}
    answer = ingest(tmp_path, write_data(tmp_path, hours(zone="UTC", stamp="bar_start"), bars))
    refused(answer, ERROR, "bars.csv", "timezone")
    assert holds_nothing(tmp_path)


MAPPINGS: dict[str, tuple[dict[str, Any], int, tuple[str, ...]]] = {
    "unknown key": ({**BARS, "calender": NEW_YORK}, ERROR, ("mapping.yaml", "calender", "did you mean calendar?")),
    "missing column": ({**BARS, "columns": {"close": "last"}}, ERROR, ("bars.csv", "last")),
    "missing file": ({**BARS, "files": "bras.csv"}, NOT_FOUND, ("bras.csv", "found none", "correct the mapping")),
    "missing symbol": ({**BARS, "symbols": ["AAB"]}, ERROR, ("AAB", "correct the mapping")),
    "daily bars by the hour": ({**BARS, "stamp": "bar_close"}, ERROR, ("stamp must be session",)),
    "stock without a sector": ({**BARS, "kind": "stock", "sector": None}, ERROR, ("AAA", "sector")),
}


@pytest.mark.parametrize("case", MAPPINGS)
def test_ingest_with_a_bad_mapping_is_refused(tmp_path: Path, case: str) -> None:
    bars, code, words = MAPPINGS[case]
    refused(ingest(tmp_path, write_data(tmp_path, days(), bars)), code, *words)
    assert holds_nothing(tmp_path)


def test_ingest_of_an_unknown_kind_to_accept_is_refused(tmp_path: Path) -> None:
    mapping = write_data(tmp_path, days(), BARS)
    refused(ingest(tmp_path, mapping, "--accept", "gaps"), ERROR, "'gaps'", "gap")
    assert holds_nothing(tmp_path)


def test_ingest_without_a_mapping_is_not_found(tmp_path: Path) -> None:
    refused(ingest(tmp_path, tmp_path / "mapping.yaml"), NOT_FOUND, "mapping.yaml", "found none")


def test_ingest_of_a_corrupt_parquet_file_is_refused(tmp_path: Path) -> None:
    mapping = write_data(tmp_path, days(), {**BARS, "files": "bars.parquet"})
    days().rename_axis("date").reset_index().to_parquet(tmp_path / "bars.parquet")
    whole = (tmp_path / "bars.parquet").read_bytes()
    for damaged in (whole[:-50], b"PAR1" + whole[4:100], b"", whole[:200] + bytes(400) + whole[600:]):
        (tmp_path / "bars.parquet").write_bytes(damaged)
        refused(ingest(tmp_path, mapping), ERROR, "bars.parquet")
        assert holds_nothing(tmp_path)
    (tmp_path / "bars.parquet").write_bytes(whole)
    assert ingest(tmp_path, mapping).code == OK


def own_catalog(tmp_path: Path) -> tuple[Path, Path]:
    """Return a catalog that a test may damage, and a configuration that reads it."""
    place = write_catalog(tmp_path / "catalog", [daily(iid, walk(N, 1)) for iid in ("AAA.SIM", "BBB.SIM")])
    return place, write_config(tmp_path / "config.yaml", values(place, tmp_path))


@pytest.mark.parametrize("where", ["bar", "quote_tick", "cfd"])
def test_backtest_on_a_catalog_with_a_damaged_file_is_refused(tmp_path: Path, where: str) -> None:
    place, config = own_catalog(tmp_path)
    file = next(path for path in sorted(place.rglob("*.parquet")) if f"/{where}/" in path.as_posix())
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 0xFF
    file.write_bytes(content)
    refused(nqs("backtest", config, "--json"), ERROR, str(file), "ingest again")
    refused(nqs("data", "check", "--catalog", place, "--json"), ERROR, str(file))
    assert not (tmp_path / "runs").exists()


def test_backtest_on_a_catalog_with_a_file_missing_is_refused(tmp_path: Path) -> None:
    place, config = own_catalog(tmp_path)
    file = next(place.rglob("*BBB*/*.parquet"))
    file.unlink()
    refused(nqs("backtest", config, "--json"), ERROR, str(file), "is missing", "ingest again")


def test_catalog_of_a_newer_program_is_refused_by_every_command(tmp_path: Path) -> None:
    place, config = own_catalog(tmp_path)
    manifest = place / "catalog.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "schema_version": 99, "novelty": 1}))
    before = manifest.read_bytes()
    mapping = write_data(tmp_path, days(), BARS)
    for command in (
        ("backtest", config),
        ("data", "list", "--catalog", place),
        ("data", "ingest", mapping, "--catalog", place),
    ):
        refused(nqs(*command, "--json"), ERROR, str(place), "has 99", "upgrade nautilus-qs")
    assert manifest.read_bytes() == before
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("text", ["", "{", '{"schema_version": "one"}'])
def test_catalog_with_a_damaged_manifest_is_refused(tmp_path: Path, text: str) -> None:
    place, config = own_catalog(tmp_path)
    (place / "catalog.json").write_text(text, encoding="utf-8")
    refused(nqs("backtest", config, "--json"), ERROR, "catalog.json", "is damaged", "ingest again")
