"""The benchmark: ``make bench`` measures speed and memory and writes var/bench.json. Ratios count, not seconds.

Each measurement is a process of its own (:mod:`tests.performance.jobs`); what is compared runs in turns, and the median
of the turns' ratios is kept. The bars are a seeded random walk; how many trades they lead to stands in the result.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

SMALL, LARGE = 200_000, 1_000_000
LIMITS = {
    "quiet_bar_ratio": ("at most", 2.0),
    "full_run_ratio": ("at most", 4.0),
    "full_run_to_backtrader": ("at most", 1.0),
    "own_share_of_a_bracket": ("at most", 0.10),
    "linear_1m_to_200k": ("at most", 5.5),
    "memory_1m_streamed_mb": ("at most", 250.0),
    "ingest_rate_share": ("at least", 0.8),
    "help_s": ("below", 0.5),
}


def run_job(name: str, folder: Path, bars: int) -> dict[str, Any]:
    """Return what one job printed; it has a process, a deadline and one thread of its own."""
    command = [sys.executable, "-m", "tests.performance.jobs", name, str(folder), str(bars)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=1800, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=False
    )
    if done.returncode:
        raise SystemExit(f"{name} failed:\n{done.stderr[-3000:]}")
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def compare(folder: Path, bars: int, turns: int) -> dict[str, Any]:
    """Run everything that is compared with the bare engine in turns and return ratios with their medians."""
    rounds = []
    for turn in range(turns):
        print(f"turn {turn + 1} of {turns}, {bars:,} bars", file=sys.stderr)
        rounds.append(
            {name: run_job(name, folder, bars) for name in ("bare", "quiet", "brackets", "full", "backtrader")}
        )

    def median_of(ratio: Any) -> float:
        return round(statistics.median(ratio(one) for one in rounds), 3)

    def cpu(one: dict[str, Any], name: str) -> float:
        return float(one[name]["cpu_s"])

    def plain_trade(one: dict[str, Any]) -> float:
        return (cpu(one, "brackets") - cpu(one, "bare")) / one["brackets"]["trades"]

    def own_trade(one: dict[str, Any]) -> float:
        return (cpu(one, "full") - cpu(one, "quiet")) / one["full"]["trades"] - plain_trade(one)

    return {
        "quiet_bar_ratio": median_of(lambda one: cpu(one, "quiet") / cpu(one, "bare")),
        "full_run_ratio": median_of(lambda one: cpu(one, "full") / cpu(one, "bare")),
        "full_run_to_backtrader": median_of(lambda one: cpu(one, "full") / cpu(one, "backtrader")),
        "own_share_of_a_bracket": median_of(lambda one: own_trade(one) / plain_trade(one)),
        "bars_per_trade": round(bars / rounds[0]["full"]["trades"], 1),
        "cpu_us_per_bar": {
            name: round(1e6 * median_of(lambda one, n=name: cpu(one, n)) / bars, 2) for name in rounds[0]
        },
        "cpu_us_per_trade": {
            "plain": median_of(lambda one: 1e6 * plain_trade(one)),
            "own": median_of(lambda one: 1e6 * own_trade(one)),
        },
        "turns": rounds,
    }


def scale(folder: Path) -> dict[str, Any]:
    """Return how cost and memory grow from the small to the large number of bars."""
    small, large = run_job("full", folder, SMALL), run_job("full", folder, LARGE)
    return {
        "linear_1m_to_200k": round(large["cpu_s"] / small["cpu_s"], 3),
        "memory_1m_streamed_mb": round(large["above_import_mb"], 1),
        "trades": [small["trades"], large["trades"]],
    }


def ingest(folder: Path, turns: int) -> dict[str, Any]:
    """Return the rate of an ingest as a share of a bare write of the same bars."""
    shares = [run_job("ingest_bars", folder, SMALL)["rate_share"] for _ in range(turns)]
    return {"ingest_rate_share": round(statistics.median(shares), 3)}


def help_time(turns: int) -> dict[str, Any]:
    """Return the wall time of ``nqs --help``, the fastest of some turns: imports read the disk the first time."""
    command = [str(Path(sys.executable).with_name("nqs")), "--help"]
    taken = []
    for _ in range(turns + 2):
        started = time.perf_counter()
        subprocess.run(command, capture_output=True, check=True, timeout=60)
        taken.append(time.perf_counter() - started)
    return {"help_s": round(min(taken), 3)}


def main() -> None:
    """Measure, print each figure beside its limit, and write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--bars", type=int, default=SMALL, help="of the comparisons")
    parser.add_argument("--short", action="store_true", help="leave out the run over a million bars")
    parser.add_argument("--out", type=Path, default=Path("var/bench.json"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="nqs-bench-") as place:
        folder = Path(place)
        result = {
            "machine": {"python": platform.python_version(), "cores": os.cpu_count(), "system": platform.system()},
            **compare(folder, options.bars, options.turns),
            **ingest(folder, options.turns),
            **help_time(options.turns),
            **({} if options.short else scale(folder)),
        }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(result, indent=2), encoding="utf-8")
    for name, (relation, limit) in LIMITS.items():
        if name in result:
            print(f"{name:26} {result[name]:>10}   {relation} {limit:g}")
    print(options.out)


if __name__ == "__main__":
    main()
