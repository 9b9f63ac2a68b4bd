"""The verdict on a proposal that cannot be judged: late, at the end of a run, without equity, by a desk at fault."""

from decimal import Decimal

from msgspec import structs

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


def passage(proposal: Proposal, check: str, ts: int, *, held: Decimal, detail: str = "") -> Verdict:
    """Return the verdict that lets an exit pass though nobody could judge it: what only reduces is never blocked.

    Parameters
    ----------
    proposal : Proposal
        An exit.
    check : str
        Why it cannot be judged; it stands among the checks as passed.
    ts : int
        Now.
    held : Decimal
        What there is to close; 0 is a refusal.
    detail : str
        More words.

    """
    denied = refusal(proposal, check if held <= 0 else "", ts, detail=detail)
    return structs.replace(denied, granted=held, asked=held, checks=(Check(check, held > 0, float(held), 0.0, detail),))
