"""Fabricates a plausible run directory through the row structs and the sink the engine uses. Seeded, deterministic."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from nautilus_qs.bridge.messages import SignalChunk
from nautilus_qs.domain import Check
from nautilus_qs.performance import summarise, summarise_trades, warnings_for
from nautilus_qs.storage import rows
from nautilus_qs.storage.parquet import ParquetSink

STRATEGIES = ("bollinger_bounce", "rsi_reversion", "breakout")
REGIMES = ("bull_trending", "low_vol_range", "high_vol_choppy", "bear_trending", "crisis")
CHECKS = (
    ("mode", 0.0),
    ("positions_strategy", 5.0),
    ("heat", 0.10),
    ("correlation", 0.70),
    ("sector", 0.30),
    ("cash", 1.0),
)
COLUMNS = {
    "bollinger_bounce": ("close", "atr", "lower", "middle", "upper", "rsi"),
    "rsi_reversion": ("close", "atr", "rsi", "rsi_before"),
    "breakout": ("close", "atr", "channel_high", "channel_low", "exit_high", "exit_low", "relative_volume"),
}
START_EQUITY = 100_000.0


class Fabric:
    """Everything one fabricated run remembers while it is written."""

    def __init__(self, path: Path, *, days: int, instruments: tuple[str, ...], seed: int, run_id: str) -> None:
        self.rng = np.random.default_rng(seed)
        self.run_id = run_id
        self.path = path
        sessions = pd.bdate_range("2014-01-02", periods=days)
        self.ts = (sessions + pd.Timedelta(hours=21)).as_unit("ns").asi8
        self.instruments = instruments
        self.prices = {iid: self._walk(days) for iid in instruments}
        columns = ",".join(sorted({c for names in COLUMNS.values() for c in names}))
        self.sink = ParquetSink(str(path), columns)
        self.trades: list[rows.TradeRow] = []
        self.pnl_by_day = np.zeros(days)
        self.open_by_day = np.zeros(days)
        self.heat_by_day = np.zeros(days)
        self.notional_by_day = np.zeros(days)
        self.busy: dict[tuple[str, str], int] = {}
        self.regimes = self._regimes(days)

    def base(self, ts: int) -> dict[str, Any]:
        """Return the five fields of every row."""
        return {
            "run_id": self.run_id,
            "trader_id": "NQS-BT",
            "account_id": "ALPACA-001",
            "mode": "backtest",
            "ts_batch": ts,
        }

    def _walk(self, days: int) -> np.ndarray:
        moves = self.rng.normal(0.0004, 0.011, days)
        close = 100.0 * np.exp(np.cumsum(moves))
        opening = close * np.exp(self.rng.normal(0.0, 0.003, days))
        high = np.maximum(opening, close) * (1 + np.abs(self.rng.normal(0, 0.004, days)))
        low = np.minimum(opening, close) * (1 - np.abs(self.rng.normal(0, 0.004, days)))
        volume = self.rng.integers(1_000_000, 5_000_000, days).astype(float)
        return np.column_stack((opening, high, low, close, volume))

    def _regimes(self, days: int) -> list[str]:
        found: list[str] = []
        while len(found) < days:
            found += [str(self.rng.choice(REGIMES, p=[0.45, 0.2, 0.15, 0.15, 0.05]))] * int(self.rng.integers(20, 90))
        return ["none"] * min(3, days) + found[3:days]

    def write(self) -> None:
        """Write every table, prices and metrics."""
        for i in range(40, len(self.ts) - 25):
            for strategy in STRATEGIES:
                for iid in self.instruments:
                    if self.busy.get((strategy, iid), -1) < i and self.rng.random() < 0.012:
                        self._propose(i, strategy, iid)
        equity = self._equity()
        self._regime_rows()
        self._breakers(equity)
        self._signals()
        self.sink.close()
        self._plain_tables()
        self._metrics(equity)

    def _propose(self, i: int, strategy: str, iid: str) -> None:
        failing = str(self.rng.choice(["", "", "", "correlation", "heat", "positions_strategy", "sector"]))
        ts, close = int(self.ts[i]), float(self.prices[iid][i, 3])
        side = "short" if self.rng.random() < 0.15 else "long"
        sign = 1 if side == "long" else -1
        atr = close * 0.015
        decision_id = f"{STRATEGIES.index(strategy)}{self.instruments.index(iid):03d}{i:016d}"
        checks = self._checks(failing)
        asked = Decimal(str(round(1000.0 / (2 * atr), 2)))
        granted = Decimal(0) if failing else (asked if self.rng.random() < 0.9 else round(asked * Decimal("0.6"), 2))
        self.sink.write(
            rows.DecisionRow(
                **self.base(ts),
                decision_id=decision_id,
                strategy=strategy,
                instrument_id=iid,
                action="enter",
                side=side,
                confidence=float(round(0.5 + 0.5 * self.rng.random(), 3)),
                reference_px=close,
                stop_px=close - sign * 2 * atr,
                target_px=close + sign * 3 * atr,
                reason="close < lower band & rsi < 40" if strategy == "bollinger_bounce" else f"{strategy} fired",
                numbers=json.dumps(dict.fromkeys(COLUMNS[strategy], close)),
                regime=self.regimes[i],
                weight=0.4,
                equity=Decimal("100000.00"),
                risk_fraction=0.01,
                multiplier_drawdown=1.0,
                multiplier_sentiment=1.0,
                multiplier_rl=1.0,
                multiplier_performance=1.0,
                checks=msgspec.json.encode(checks).decode(),
                quantity_asked=asked,
                quantity_granted=granted,
                verdict="granted" if granted else "denied",
                failed_check=failing,
                client_order_id=f"{decision_id}-E" if granted else "",
            )
        )
        if granted:
            self._trade(i, strategy, iid, decision_id=decision_id, sign=sign, quantity=granted, atr=atr)

    def _checks(self, failing: str) -> tuple[Check, ...]:
        found = []
        for name, limit in CHECKS:
            value = limit * (1.2 if name == failing else 0.4)
            found.append(Check(name, name != failing, value, limit, f"{name} of the book"))
            if name == failing:
                break
        return tuple(found)

    def _trade(
        self, i: int, strategy: str, iid: str, *, decision_id: str, sign: int, quantity: Decimal, atr: float
    ) -> None:
        bars = self.prices[iid]
        entry = float(bars[i + 1, 0]) * (1 + sign * 0.0003)
        stop = float(bars[i, 3]) - sign * 2 * atr
        held = int(self.rng.integers(2, 18))
        leaving = i + 1 + held
        units = float(quantity)
        exit_px = float(bars[leaving, 0]) * (1 - sign * 0.0003)
        commission = round(units * exit_px * 0.00003 + 0.35, 2)
        pnl = sign * units * (exit_px - entry) - commission
        marks = bars[i + 1 : leaving, 3]
        open_ns = 6 * 3600 * 10**9 + 30 * 60 * 10**9  # 21:00 close to 14:30 open
        entry_ts, exit_ts = int(self.ts[i + 1]) - open_ns, int(self.ts[leaving]) - open_ns
        move = sign * (bars[i + 1 : leaving, 1:3] / entry - 1)
        trade = rows.TradeRow(
            **self.base(int(self.ts[leaving])),
            strategy=strategy,
            instrument_id=iid,
            side="long" if sign > 0 else "short",
            entry_ts=entry_ts,
            entry_px=entry,
            exit_ts=exit_ts,
            exit_px=exit_px,
            quantity=quantity,
            pnl=Decimal(str(round(pnl, 2))),
            commission=Decimal(str(commission)),
            return_frac=pnl / (units * entry),
            r_multiple=pnl / (units * abs(entry - stop)),
            entry_reason="close < lower band",
            exit_reason=str(self.rng.choice(["target", "stop", "middle band"])),
            regime_at_entry=self.regimes[i],
            mae=float(min(0.0, move.min())),
            mfe=float(max(0.0, move.max())),
            bars_held=held,
            decision_id=decision_id,
        )
        self.sink.write(trade)
        self.trades.append(trade)
        self.busy[strategy, iid] = leaving
        worth = sign * units * (marks - entry)
        self.pnl_by_day[i + 1 : leaving] += np.diff(np.concatenate(([0.0], worth)))
        self.pnl_by_day[leaving] += pnl - (worth[-1] if len(worth) else 0.0)
        self.open_by_day[i + 1 : leaving] += 1
        self.notional_by_day[i + 1 : leaving] += sign * units * entry
        self.heat_by_day[i + 1 : leaving] += units * abs(entry - stop)
        self._orders(trade, int(self.ts[i]), stop, sign=sign)

    def _orders(self, trade: rows.TradeRow, ts: int, stop: float, *, sign: int) -> None:
        for k in range(0, trade.bars_held, 6):
            self.sink.write(
                rows.ProtectionRow(
                    **self.base(ts),
                    decision_id=trade.decision_id,
                    strategy=trade.strategy,
                    instrument_id=trade.instrument_id,
                    client_order_id=f"{trade.decision_id}-S",
                    side=trade.side,
                    quantity=trade.quantity,
                    stop_px=Decimal(str(round(stop * (1 + sign * 0.002 * k), 4))),
                    kind="fixed",
                    ts=trade.entry_ts + k * 86_400 * 10**9,
                )
            )
        for leg, at, px, side in (
            ("E", trade.entry_ts, trade.entry_px, "buy" if sign > 0 else "sell"),
            ("X", trade.exit_ts, trade.exit_px, "sell" if sign > 0 else "buy"),
        ):
            common: dict[str, Any] = {
                "decision_id": trade.decision_id,
                "strategy": trade.strategy,
                "instrument_id": trade.instrument_id,
                "client_order_id": f"{trade.decision_id}-{leg}",
            }
            for event in ("initialized", "submitted", "accepted", "filled"):
                self.sink.write(
                    rows.OrderEventRow(
                        **self.base(ts),
                        **common,
                        venue_order_id="",
                        ts_event=at,
                        event=event,
                        leg=leg,
                        side=side,
                        order_type="MARKET",
                        quantity=trade.quantity,
                        price=None,
                        trigger_px=None,
                        reason="",
                    )
                )
            self.sink.write(
                rows.FillRow(
                    **self.base(ts),
                    **common,
                    trade_id=f"T-{trade.decision_id}-{leg}",
                    position_id=f"P-{trade.decision_id}",
                    ts_event=at,
                    leg=leg,
                    side=side,
                    quantity=trade.quantity,
                    price=Decimal(str(round(px, 4))),
                    commission=trade.commission if leg == "X" else Decimal(0),
                    currency="USD",
                    liquidity="taker",
                    slippage_bps=float(self.rng.normal(2, 4)) if leg == "E" else 0.0,
                )
            )

    def _equity(self) -> np.ndarray:
        equity = START_EQUITY + np.cumsum(self.pnl_by_day)
        fall = 1 - equity / np.maximum.accumulate(equity)
        for i, ts in enumerate(self.ts.tolist()):
            self.sink.write(
                rows.EquityRow(
                    **self.base(ts),
                    ts=ts,
                    equity=Decimal(str(round(float(equity[i]), 2))),
                    cash=Decimal(str(round(float(equity[i]), 2))),
                    gross_exposure=float(abs(self.notional_by_day[i]) / equity[i]),
                    net_exposure=float(self.notional_by_day[i] / equity[i]),
                    heat=float(self.heat_by_day[i] / equity[i]),
                    drawdown=float(fall[i]),
                    positions=int(self.open_by_day[i]),
                    mode_in_force="halted" if 700 <= i < 720 else "normal",
                )
            )
        return equity

    def _regime_rows(self) -> None:
        for i, ts in enumerate(self.ts.tolist()):
            self.sink.write(
                rows.RegimeRow(
                    **self.base(ts),
                    ts=ts,
                    instrument_id=self.instruments[0],
                    slope_deg=float(self.rng.normal(0, 2)),
                    atr_ratio=float(0.7 + self.rng.random()),
                    vix=None if i < 250 else 15.0,
                    breadth=None,
                    label=self.regimes[i],
                    confidence=0.7,
                    count=3,
                    regime=self.regimes[i],
                    missing="breadth",
                )
            )

    def _breakers(self, equity: np.ndarray) -> None:
        if len(self.ts) < 720:
            return
        for i, event in ((700, "trip"), (720, "clear")):
            self.sink.write(
                rows.BreakerRow(
                    **self.base(int(self.ts[i])),
                    ts=int(self.ts[i]),
                    breaker="daily_loss",
                    event=event,
                    equity=Decimal(str(round(float(equity[i]), 2))),
                    reference=Decimal("101000.00"),
                    heat_open=0.021,
                    detail="equity fell by 5.2 % since the start of the day",
                )
            )

    def _signals(self) -> None:
        entries = {(t.strategy, t.instrument_id, int(t.decision_id[4:])) for t in self.trades}
        for strategy in STRATEGIES:
            for iid in self.instruments:
                bars = self.prices[iid]
                places = range(20, len(self.ts))
                fired = [(strategy, iid, i) in entries for i in places]
                chunk = SignalChunk(
                    strategy,
                    tuple(COLUMNS[strategy]),
                    np.asarray(self.ts[places]),
                    (iid,),
                    np.zeros(len(places), dtype=np.int32),
                    ("quiet", "entry"),
                    np.array(fired, dtype=np.int32),
                    np.where(fired, 1.0, np.round(self.rng.random(len(places)) * 0.95, 3)),
                    np.array([self._numbers(strategy, float(bars[i, 3])) for i in places]),
                )
                self.sink.write_signals(self.base(0), chunk)

    def _numbers(self, strategy: str, close: float) -> list[float]:
        scales = {"close": close, "atr": close * 0.015, "relative_volume": 1.1, "rsi": 48.0, "rsi_before": 51.0}
        scales |= {"lower": close * 0.97, "middle": close * 1.01, "upper": close * 1.05}
        return [float(scales.get(column, close * 1.02)) for column in COLUMNS[strategy]]

    def _plain_tables(self) -> None:
        prices = [
            {"ts": ts, "instrument_id": iid, **dict(zip(("open", "high", "low", "close", "volume"), bar, strict=True))}
            for iid in self.instruments
            for ts, bar in zip(self.ts.tolist(), self.prices[iid].tolist(), strict=True)
        ]
        pq.write_table(pa.Table.from_pylist(prices), self.path / "prices.parquet")
        carry = [
            {"ts": int(self.ts[i]), "kind": kind, "instrument_id": self.instruments[0], "amount": amount}
            for i, kind, amount in ((60, "dividend", 41.2), (61, "borrow", -3.1), (120, "dividend", 44.0))
            if i < len(self.ts)
        ]
        schema = pa.schema(
            [("ts", pa.int64()), ("kind", pa.string()), ("instrument_id", pa.string()), ("amount", pa.float64())]
        )
        pq.write_table(pa.Table.from_pylist(carry, schema=schema), self.path / "carry.parquet")

    def _metrics(self, equity: np.ndarray) -> None:
        held = np.mean([self.prices[iid][:, 3] / self.prices[iid][0, 3] for iid in self.instruments[:2]], axis=0)
        summary = summarise(
            self.ts,
            equity,
            self.trades,
            periods_per_year=252,
            rng=np.random.default_rng(1),
            benchmark=held,
            gross_exposure=np.abs(self.notional_by_day) / equity,
            draws=200,
        )
        per_strategy = {}
        for strategy in STRATEGIES:
            of = summarise_trades(
                [t for t in self.trades if t.strategy == strategy], rng=np.random.default_rng(2), draws=200
            )
            per_strategy[strategy] = {
                "trades": of.count,
                "pnl": of.pnl,
                "win_rate": msgspec.to_builtins(of.win_rate),
                "profit_factor": msgspec.to_builtins(of.profit_factor),
                "expectancy": msgspec.to_builtins(of.expectancy),
                "sharpe": {"value": 0.31, "low": -0.4, "high": 1.1, "n": len(self.ts) - 1, "note": ""},
                "max_drawdown": {"depth": 0.04},
                "commission": of.commission,
                "warnings": [f"only {of.count} trades: fewer than 30 say little about win rate"],
            }
        commission = float(sum(t.commission for t in self.trades))
        metrics = {
            "run_id": self.run_id,
            "name": "synthetic <demo>",
            "decision_digest": "d" * 32,
            "fill_digest": "f" * 32,
            "code_version": "0123456789abcdef",
            "created_at": "2026-11-20T10:00:00Z",
            "timerange": ["2014-01-02", str(pd.Timestamp(self.ts[-1]).date())],
            "metrics": summary.to_dict(),
            "per_strategy": json.loads(msgspec.json.encode(per_strategy)),
            "counts": {
                "bars": len(self.ts) * len(self.instruments),
                "proposals": 300,
                "orders": 3 * len(self.trades),
                "fills": 2 * len(self.trades),
                "trades": len(self.trades),
            },
            "elapsed_s": 12.3,
            "bars_per_s": 4321.0,
            "benchmark": list(self.instruments[:2]),
            "data": [
                {
                    "instrument_id": iid,
                    "source": "arch",
                    "price_kind": "index level",
                    "stale_open_share": 0.97 if k == 0 else 0.01,
                    "first": "2014-01-02",
                    "last": "2018-12-31",
                    "warnings": ["opens are stale: fills at the next close"] if k == 0 else [],
                }
                for k, iid in enumerate(self.instruments[:12])
            ],
            "execution": {
                "fees": "alpaca (SEC and TAF on sells)",
                "slippage": "half spread plus impact",
                "latency_ms": 1000,
                "fill_rule": "market orders fill at the next session's open",
            },
            "costs": {"commission": commission, "slippage": 812.4, "carry": 82.1},
            "warnings": [
                "SP500: 97 % of opens equal the close before: fills at the next close",
                *warnings_for(summary),
            ],
            "breakers": {"trips": 1 if len(self.ts) >= 720 else 0},
            "trials": 1,
        }
        (self.path / "metrics.json").write_text(json.dumps(metrics), encoding="utf-8")
        (self.path / "config.yaml").write_text(CONFIG, encoding="utf-8")


CONFIG = """name: synthetic <demo>
timerange: 20140102-20181231
seed: 1
day_zone: America/New_York
risk: {heat: 0.10, positions: 5}
strategies:
- {name: bollinger_bounce, path: 'strategies.bollinger_bounce:BollingerBounce'}
- {name: rsi_reversion, path: 'strategies.rsi_reversion:RsiReversion'}
- {name: breakout, path: 'strategies.breakout:Breakout'}
"""


def write_run(
    root: Path,
    *,
    run_id: str = "a1b2c3d4e5f60718",
    days: int = 1250,
    instruments: tuple[str, ...] = ("SPY.ALPACA", "QQQ.ALPACA", "AAPL.ALPACA", "MSFT.ALPACA"),
    seed: int = 7,
) -> Path:
    """Write a run under `root` and return its directory."""
    path = root / run_id
    path.mkdir(parents=True)
    Fabric(path, days=days, instruments=instruments, seed=seed, run_id=run_id).write()
    return path
