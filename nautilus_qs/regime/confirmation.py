"""Labels to the regime in force: a new regime needs the same label on several consecutive days."""

from nautilus_qs.domain import Regime
from nautilus_qs.errors import ConfigError, StorageError


class Confirmation:
    """Count equal labels in a row and change the regime in force once enough have been seen.

    Before the first confirmation the regime in force is :attr:`Regime.NONE`: default weights and normal risk.

    Parameters
    ----------
    days : int
        Consecutive days with one label that put it in force.

    Raises
    ------
    ConfigError
        ``days`` is below 1.

    Examples
    --------
    >>> confirmation = Confirmation(3)
    >>> for label in (Regime.CRISIS, Regime.CRISIS, Regime.CRISIS, Regime.BULL_TRENDING):
    ...     count, regime = confirmation.update(label)
    ...     print(count, regime)
    1 none
    2 none
    3 crisis
    1 crisis

    """

    def __init__(self, days: int = 3) -> None:
        if days < 1:
            raise ConfigError(f"confirmation days must be at least 1, was {days}; set regime.confirmation_days")
        self._days = days
        self._label = Regime.NONE
        self._count = 0
        self._regime = Regime.NONE

    @property
    def label(self) -> Regime:
        """Return the label of the last day, ``NONE`` before the first."""
        return self._label

    @property
    def count(self) -> int:
        """Return how many days in a row bear that label, at most the number that confirms."""
        return self._count

    @property
    def regime(self) -> Regime:
        """Return the regime in force."""
        return self._regime

    def update(self, label: Regime) -> tuple[int, Regime]:
        """Take the label of the next day.

        Parameters
        ----------
        label : Regime
            The raw label of the day.

        Returns
        -------
        tuple of (int, Regime)
            The count towards confirmation, this day included and capped at the number that confirms, and the regime
            in force from this day on.

        """
        self._count = min(self._count + 1, self._days) if label is self._label else 1
        self._label = label
        if self._count == self._days:
            self._regime = label
        return self._count, self._regime

    def reset(self) -> None:
        """Forget everything: equal to a new one."""
        self._label = Regime.NONE
        self._count = 0
        self._regime = Regime.NONE

    def save(self) -> dict[str, str | int]:
        """Return the state as values that JSON keeps."""
        return {"label": self._label.value, "count": self._count, "regime": self._regime.value}

    def restore(self, state: dict[str, str | int]) -> None:
        """Take over a saved state; a count above this one's ``days`` is capped, as if it had been counted here.

        Raises
        ------
        StorageError
            A field is missing or is not what :meth:`save` writes; the present state is left as it is.

        """
        try:
            label, regime, count = Regime(str(state["label"])), Regime(str(state["regime"])), int(state["count"])
        except (KeyError, ValueError, TypeError) as error:
            raise StorageError(
                f"a saved confirmation must have label, count and regime, was {state!r}; remove the damaged state"
            ) from error
        if count < 0 or (label is Regime.NONE) != (count == 0):
            raise StorageError(
                f"a saved confirmation's count must be at least 1 with a label and 0 without, was {count} with "
                f"{label.value!r}; remove the damaged state"
            )
        self._label, self._count, self._regime = label, min(count, self._days), regime
