"""What a run shows, in one honest paragraph: what happened, what it is compared with, and what it cannot tell."""

from typing import Any

from nautilus_qs.research.report.estimate import Estimate, estimate_of
from nautilus_qs.research.report.text import count, is_number, listed, number, percent
from nautilus_qs.storage.runs import Run

FEW_TRADES = 30


def paragraph(run: Run) -> str:
    """Return the verdict on a run as plain text."""
    summary = _mapping(run.metrics.get("metrics"))
    sentences = [_outcome(summary), _against(run, summary), _fall(summary), _evidence(summary), _trials(summary)]
    return " ".join(s for s in sentences if s)


def cautions(run: Run) -> list[str]:
    """Return what a reader must know first, once each: warnings of the run and of its data, trips of breakers."""
    found = [_text_of(w) for w in run.metrics.get("warnings") or ()]
    for item in run.metrics.get("data") or ():
        name = _mapping(item).get("instrument_id", "")
        # The run may have passed its data's warnings on already: once for all the instruments that share one.
        for text in (_text_of(w) for w in _mapping(item).get("warnings") or ()):
            if not any(text in known and (name in known or known == text) for known in found):
                found.append(text if name in text else f"{name}: {text}")
    breakers = run.frame("breakers")
    tripped = breakers.loc[breakers["event"].astype(str).str.startswith("trip"), "breaker"].value_counts()
    if len(tripped):
        each = listed([f"{str(name).replace('_', ' ')} {n:,}" for name, n in tripped.items()], 6)
        found.append(f"circuit breakers tripped {count(int(tripped.sum()), 'time')}: {each}")
    return list(dict.fromkeys(found))


def _outcome(summary: dict[str, Any]) -> str:
    start, end = summary.get("start_equity"), summary.get("end_equity")
    total = estimate_of(summary.get("total_return"))
    trades = int(_mapping(summary.get("trades")).get("count") or 0)
    if not total.is_known:
        return "The account was marked too rarely to say what it returned."
    verb = "grew" if total.value > 0 else "shrank" if total.value < 0 else "stayed"
    amounts = f" from {number(start, 0)} to {number(end, 0)}" if is_number(start) and is_number(end) else ""
    closed = count(trades, "closed trade") if trades else "without a closed trade"
    sentence = f"The account {verb}{amounts} ({percent(total.value, sign=True)}"
    growth = estimate_of(summary.get("cagr"))
    if growth.is_known:
        sentence += f", {percent(growth.value, sign=True)} a year"
    return f"{sentence}) {'in ' if trades else ''}{closed}."


def _against(run: Run, summary: dict[str, Any]) -> str:
    benchmark = _mapping(summary.get("benchmark"))
    held = estimate_of(benchmark.get("total_return"))
    total = estimate_of(summary.get("total_return"))
    if not held.is_known or not total.is_known:
        return ""
    names = listed([str(iid).partition(".")[0] for iid in run.metrics.get("benchmark") or ()]) or "the benchmark"
    ahead = "more" if total.value > held.value else "less"
    text = (
        f"Buying and holding {names} returned {percent(held.value, sign=True)} over the same days: the run made {ahead}"
    )
    depth, own = estimate_of(benchmark.get("max_drawdown")), estimate_of(summary.get("max_drawdown"))
    if depth.is_known and own.is_known:
        risk = "a shallower" if own.value < depth.value else "a deeper"
        joint = "but" if (ahead == "less") == (own.value < depth.value) else "and"
        return f"{text}, {joint} with {risk} worst drawdown ({percent(own.value)} against {percent(depth.value)})."
    return text + "."


def _fall(summary: dict[str, Any]) -> str:
    fall = _mapping(summary.get("max_drawdown"))
    depth = estimate_of(fall)
    if not depth.is_known or depth.value == 0:
        return ""
    length = fall.get("length_days")
    lasted = f" lasted {count(round(length), 'day')}" if is_number(length) else " was lived through"
    recovered = (
        "until the old peak was reached again" if fall.get("recovery_ts") else "and had not recovered at the end"
    )
    return f"The deepest drawdown, {percent(depth.value)},{lasted} {recovered}."


def _evidence(summary: dict[str, Any]) -> str:
    sharpe = estimate_of(summary.get("sharpe"))
    level = f"{percent(summary['level'], 0)} " if is_number(summary.get("level")) else ""
    if not sharpe.is_known:
        return "There is no Sharpe ratio to speak of."
    if not sharpe.has_interval:
        return f"The Sharpe ratio is {number(sharpe.value)}; too few days stand behind it for an interval."
    span = f"The {level}interval of the Sharpe ratio, {_span(sharpe)}"
    if sharpe.contains(0.0):
        meaning = "contains zero: on this evidence the result cannot be told from luck."
    elif sharpe.high < 0:
        meaning = "lies below zero: the run lost more than chance explains."
    else:
        meaning = "lies above zero: more than chance on these days, which says nothing of other days."
    return f"{span}, {meaning} {_few(summary)}".strip()


def _few(summary: dict[str, Any]) -> str:
    trades = int(_mapping(summary.get("trades")).get("count") or 0)
    if 0 < trades < FEW_TRADES:
        return f"{count(trades, 'trade').capitalize()} are too few to judge a win rate."
    return ""


def _trials(summary: dict[str, Any]) -> str:
    trials, deflated = summary.get("trials"), estimate_of(summary.get("deflated_sharpe"))
    if not is_number(trials) or trials is None or trials <= 1 or not deflated.is_known:
        return ""
    return (
        f"It is the best of {count(int(trials), 'trial')}; the probability that it is more than the luckiest of them "
        f"is {percent(deflated.value, 0)}."
    )


def _span(estimate: Estimate) -> str:
    return f"{number(estimate.low)} to {number(estimate.high)}"


def _text_of(warning: Any) -> str:
    if isinstance(warning, dict):
        return str(warning.get("text") or warning.get("message") or warning.get("detail") or warning)
    return str(warning)


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
