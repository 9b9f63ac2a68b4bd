"""The signals and trades of each strategy by pandas alone: written from the rules, not from the code it checks.

It imports nothing of the project, and goes column by column where the project goes bar by bar. A frame holds daily bars
(open, high, low, close, volume) in ascending order under its dates. Long only, default parameters, every limit off.
"""

import numpy as np
import pandas as pd

STRATEGIES = ("bollinger_bounce", "rsi_reversion", "breakout")

# ATRs from the signal's close to the stop and to the target.
STOP_ATR = {"bollinger_bounce": 2.0, "rsi_reversion": 2.0, "breakout": 1.5}
TARGET_ATR = {"bollinger_bounce": 3.0, "rsi_reversion": 3.0, "breakout": np.inf}
COLUMNS = {
    "bollinger_bounce": ["close", "atr", "lower", "middle", "upper", "rsi"],
    "rsi_reversion": ["close", "atr", "rsi", "rsi_before"],
    "breakout": ["close", "atr", "channel_high", "channel_low", "exit_high", "exit_low", "relative_volume"],
}


def atr(bars: pd.DataFrame, n: int = 14) -> pd.Series:
    """Return the mean of the last n true ranges; the first bar has none, for want of a previous close."""
    before = bars["close"].shift(1)
    ranges = pd.concat(
        [bars["high"] - bars["low"], (bars["high"] - before).abs(), (bars["low"] - before).abs()], axis=1
    )
    return ranges.max(axis=1, skipna=False).rolling(n).mean()


def rsi(close: pd.Series, n: int = 14) -> pd.Series:
    """Return Wilder's RSI after n changes: weights (1 - 1/n)^age on gains and on losses, normalised alike."""
    change = close.diff().iloc[1:]
    gain = change.clip(lower=0.0).ewm(alpha=1.0 / n, adjust=True, min_periods=n).mean()
    loss = (-change).clip(lower=0.0).ewm(alpha=1.0 / n, adjust=True, min_periods=n).mean()
    return (100.0 * gain / (gain + loss)).reindex(close.index)


def numbers(bars: pd.DataFrame, strategy: str) -> pd.DataFrame:
    """Return every number of every bar, NaN until all windows are full (and 20 volumes have been seen)."""
    close, volume = bars["close"], bars["volume"].astype(float)
    strength = rsi(close)
    middle = close.rolling(20).mean()
    half_width = 2.0 * close.rolling(20).std(ddof=0)
    every = pd.DataFrame(
        {
            "close": close,
            "atr": atr(bars),
            "lower": middle - half_width,
            "middle": middle,
            "upper": middle + half_width,
            "rsi": strength,
            "rsi_before": strength.shift(1),
            "channel_high": bars["high"].rolling(20).max().shift(1),
            "channel_low": bars["low"].rolling(20).min().shift(1),
            "exit_high": bars["high"].rolling(10).max().shift(1),
            "exit_low": bars["low"].rolling(10).min().shift(1),
            "relative_volume": volume / volume.rolling(20).mean().shift(1),
        }
    )
    mine = every[COLUMNS[strategy]]
    return mine.where(mine.notna().all(axis=1) & volume.rolling(20).mean().notna())


def _entries(found: pd.DataFrame, strategy: str) -> tuple[pd.Series, pd.Series]:
    """Return on which bars the strategy enters, and the confidence it would have."""
    close, width = found["close"], found["atr"]
    if strategy == "bollinger_bounce":
        fired = (close < found["lower"]) & (found["rsi"] < 40.0)
        depth = ((found["lower"] - close) / width).clip(upper=1.0)
        return fired, 0.5 + 0.25 * depth + 0.25 * ((40.0 - found["rsi"]) / 40.0).clip(upper=1.0)
    if strategy == "rsi_reversion":
        fired = (found["rsi"] < 30.0) & (found["rsi_before"] >= 30.0)
        return fired, 0.5 + 0.5 * ((30.0 - found["rsi"]) / 15.0).clip(upper=1.0)
    fired = (close > found["channel_high"]) & (found["relative_volume"] > 1.5)
    height = ((close - found["channel_high"]) / width).clip(upper=1.0)
    return fired, 0.5 + 0.25 * height + 0.25 * ((found["relative_volume"] - 1.5) / 1.5).clip(upper=1.0)


def _rule_exits(found: pd.DataFrame, strategy: str) -> pd.Series:
    """Return on which bars the rule would leave a long position."""
    if strategy == "bollinger_bounce":
        return found["close"] >= found["middle"]
    if strategy == "rsi_reversion":
        return (found["rsi"] > 70.0) & (found["rsi_before"] <= 70.0)
    return found["close"] < found["exit_low"]


def signal_days(df: pd.DataFrame, strategy: str) -> pd.DataFrame:
    """Return the days on which the strategy signals an entry: its numbers, confidence, stop and target (inf: none)."""
    found = numbers(df, strategy)
    fired, confidence = _entries(found, strategy)
    found = found.assign(
        confidence=confidence,
        stop=found["close"] - STOP_ATR[strategy] * found["atr"],
        target=found["close"] + TARGET_ATR[strategy] * found["atr"],
    )
    return found[fired]


def exit_days(df: pd.DataFrame, strategy: str) -> pd.Index:
    """Return the days on which the rule would leave a long position."""
    return df.index[_rule_exits(numbers(df, strategy), strategy)]


def trades(
    df: pd.DataFrame,
    strategy: str,
    *,
    first: str | None = None,
    stop_atr: float | None = None,
    target_atr: float | None = None,
    tick: float = 0.0,
) -> pd.DataFrame:
    """Return entry_date, exit_date, exit_kind, entry_px, exit_px of every finished trade, one position at a time.

    An entry fills at the next open, and is skipped when that open lies at or beyond its stop or target. Stop and
    target work from the entry bar on: a stop that is gapped through fills at the open, a target always at its price,
    and inside a bar the side nearer the open comes first (the low when both are as near). A rule exit closes at the
    open after the bar on which the rule fired. A bar on which a position ended may signal again; one on which a
    position is open, or about to be closed, may not. ``exit_kind`` is stop, trailing_stop (once it has moved), target,
    or rule. Breakout: the stop follows the highest close since entry at 1.5 ATR of that bar, moved at each close; when
    that puts it at or beyond the close (the ATR has shrunk), where no venue rests a stop, the position is closed at the
    next open, as by the stop.

    ``first`` is the first day that may signal (those before warm the windows), ``stop_atr`` and ``target_atr`` stand in
    for the strategy's own distances, and ``tick`` is the grid of prices on which a venue takes stops (rounded up,
    towards the entry) and targets (rounded up, away from it); 0 for none.
    """
    found = numbers(df, strategy)
    fired = (_entries(found, strategy)[0] & (df.index >= (first or df.index[0]))).to_numpy()
    leaves = _rule_exits(found, strategy).to_numpy()
    opens, highs, lows, closes = (df[name].to_numpy(float) for name in ("open", "high", "low", "close"))
    width = found["atr"].to_numpy()
    stop_atr = STOP_ATR[strategy] if stop_atr is None else stop_atr
    target_atr = TARGET_ATR[strategy] if target_atr is None else target_atr
    is_trailing = strategy == "breakout"

    rows = []
    bar = 0
    while bar < len(df) - 1:
        stop = _on_grid(closes[bar] - stop_atr * width[bar], tick)
        target = _on_grid(closes[bar] + target_atr * width[bar], tick)
        if not fired[bar] or not stop < opens[bar + 1] < target:
            bar += 1
            continue
        entry = bar + 1
        stop_kind = "stop"
        kind, px = None, np.nan
        for day in range(entry, len(df)):
            if leaves[day - 1] and day > entry:
                kind, px = "rule", opens[day]
            elif opens[day] <= stop or (stop >= closes[day - 1] and day > entry):
                kind, px = stop_kind, opens[day]
            elif opens[day] >= target:
                kind, px = "target", target
            elif lows[day] <= stop and highs[day] >= target:
                is_high_first = highs[day] - opens[day] < opens[day] - lows[day]
                kind, px = ("target", target) if is_high_first else (stop_kind, stop)
            elif lows[day] <= stop:
                kind, px = stop_kind, stop
            elif highs[day] >= target:
                kind, px = "target", target
            if kind is not None:
                rows.append((df.index[entry], df.index[day], kind, opens[entry], px))
                break
            if is_trailing:
                trailed = _on_grid(closes[entry : day + 1].max() - stop_atr * width[day], tick)
                if trailed > stop:
                    stop, stop_kind = trailed, "trailing_stop"
        if kind is None:
            break  # still open at the end of the data
        # The bar on which the position ended may signal again at its close.
        bar = day
    return pd.DataFrame(rows, columns=["entry_date", "exit_date", "exit_kind", "entry_px", "exit_px"])


def _on_grid(px: float, tick: float) -> float:
    """Return the lowest price on the grid that is not below `px`, but for the error of a float."""
    return np.ceil(px / tick - 1e-6) * tick if tick and np.isfinite(px) else px
