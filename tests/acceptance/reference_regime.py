"""The regime of every day by pandas alone: written from the rules, not from the code it checks.

It imports nothing of the project. Labels are strings. Distances are columns, confirmation is a run length: where the
project goes day by day, this goes column by column.
"""

import numpy as np
import pandas as pd

T_DEG = 2.0
ORDER = ["bull_trending", "bear_trending", "high_vol_choppy", "low_vol_range"]


def features(ohlc: pd.DataFrame) -> pd.DataFrame:
    """Return slope(50) over ten days in degrees a day, and ATR(20) / ATR(100), NaN until their windows are full."""
    average = ohlc["close"].rolling(50).mean()
    percent_per_day = (average / average.shift(10) - 1.0) * 100.0 / 10.0
    before = ohlc["close"].shift(1)
    ranges = pd.DataFrame(
        {
            "day": ohlc["high"] - ohlc["low"],
            "up": (ohlc["high"] - before).abs(),
            "down": (ohlc["low"] - before).abs(),
        }
    )
    true_range = ranges.max(axis=1, skipna=False)  # the first day has no previous close, hence no true range
    return pd.DataFrame(
        {
            "slope_deg": np.degrees(np.arctan(percent_per_day)),
            "atr_ratio": true_range.rolling(20).mean() / true_range.rolling(100).mean(),
        }
    )


def distances(slope: pd.Series, ratio: pd.Series) -> pd.DataFrame:
    """Return the distance of each day to each region, 0 inside, in the order in which ties are broken."""
    above_calm = (ratio - 1.2).clip(lower=0.0) / 0.4
    out_of_flat = (slope.abs() - T_DEG).clip(lower=0.0) / T_DEG
    return pd.DataFrame(
        {
            "bull_trending": np.maximum((T_DEG - slope).clip(lower=0.0) / T_DEG, above_calm),
            "bear_trending": np.maximum((slope + T_DEG).clip(lower=0.0) / T_DEG, above_calm),
            "high_vol_choppy": np.maximum(out_of_flat, (1.5 - ratio).clip(lower=0.0) / 0.4),
            "low_vol_range": np.maximum(out_of_flat, (ratio - 0.8).clip(lower=0.0) / 0.4),
        }
    )[ORDER]


def regimes(days: pd.DataFrame) -> pd.DataFrame:
    """Return label, confidence, count and regime in force of each warm day.

    ``days`` has slope_deg, atr_ratio, and vix and breadth as known BEFORE the day (NaN: missing). A day as near to two
    regions needs the regime in force, which columns cannot give: there must be none.
    """
    days = days[days["slope_deg"].notna() & days["atr_ratio"].notna()]
    away = distances(days["slope_deg"], days["atr_ratio"])
    ranked = np.sort(away.to_numpy(), axis=1)
    crisis = (days["vix"] > 30.0) | (days["atr_ratio"] > 2.0)
    if (((ranked[:, 1] - ranked[:, 0]) < 1e-9) & ~crisis.to_numpy()).any():
        raise ValueError("a day is as near to two regions")

    label = away.idxmin(axis=1).mask(crisis, "crisis")
    confidence = (1.0 - away.min(axis=1)).clip(lower=0.0).mask(crisis, 1.0)
    confidence *= np.where(days["vix"].isna(), 0.9, 1.0) * np.where(days["breadth"].isna(), 0.9, 1.0)
    opposed = ((label == "bull_trending") & (days["breadth"] < 0.5)) | (
        (label == "bear_trending") & (days["breadth"] > 0.5)
    )
    confidence *= np.where(opposed, 0.5, 1.0)

    streak = (label != label.shift(1)).cumsum()
    count = label.groupby(streak).cumcount() + 1
    regime = label.where(count >= 3).ffill().fillna("none")
    return pd.DataFrame(
        {
            "label": label,
            "confidence": confidence,
            "count": count.clip(upper=3),
            "regime": regime,
            "is_gap": (away.min(axis=1) > 0.0) & ~crisis,
        }
    )
