"""Shares of all that was bought, where there are any: not below zero, and not of nothing."""

from __future__ import annotations

from collections.abc import Sequence


def why_no_shares(parts: Sequence[float], whose: str) -> str | None:
    """Say why parts of all that was bought have no shares; None where they have.

    With a part below zero others would have more than all. `whose` names the parts: some segments.
    """
    if any(part < 0 for part in parts):
        return (
            f"No shares of all that was bought are shown: what {whose} bought adds up to less than "
            "zero, since more was taken off than was bought, and the others would have more than "
            "all of it."
        )
    if not any(parts):
        return "No shares of all that was bought are shown: all amounts add up to zero."
    return None
