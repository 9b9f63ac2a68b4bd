"""The verdict on a proposal that cannot be judged at all: too late, at the end of a run, or without an equity."""

from decimal import Decimal

from nautilus_qs.domain import Check, Proposal, Regime, Verdict

_ZERO = Decimal(0)


def refusal(proposal: Proposal, check: str, ts: int, *, detail: str = "") -> Verdict:
    """Return a denial that names one failed check and grants nothing.

    Parameters
    ----------
    proposal : Proposal
        What was proposed.
    check : str
        Why it cannot be judged.
    ts : int
        Now.
    detail : str
        More words.

    """
    return Verdict(
        proposal=proposal,
        granted=_ZERO,
        asked=_ZERO,
        failed=check,
        checks=(Check(check, False, 0.0, 0.0, detail),),
        multipliers=(),
        regime=Regime.NONE,
        weight=0.0,
        equity=_ZERO,
        risk_fraction=0.0,
        ts_decided=ts,
    )
