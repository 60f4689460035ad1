"""Counts in words: one thing, two things."""

from __future__ import annotations


def noun(n: float, word: str, plural: str = "") -> str:
    """Give the word for so many things: order for 1, else orders, or the plural that is given."""
    return word if n == 1 else plural or f"{word}s"


def counted(n: float, word: str, plural: str = "") -> str:
    """Write a number of things: 1 order, 2,000 orders."""
    return f"{n:,.0f} {noun(n, word, plural)}"


def verb(n: float, one: str, several: str) -> str:
    """Give the verb for so many things: that of one for 1, else that of several."""
    return one if n == 1 else several


def are(n: float) -> str:
    """Give is for 1, else are."""
    return verb(n, "is", "are")
