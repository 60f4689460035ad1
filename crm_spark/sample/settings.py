"""What a sample is made of: its size, its dates, its seed, and the true rates that are planted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from crm_spark.errors import ConfigError, listed

TIME_ZONE = "Europe/London"
EPOCH = date(1970, 1, 1)

# Rhythms: the shape of the gamma-distributed gaps between orders (1 is exponential).
GAP_SHAPES = {"regular": 4, "irregular": 1}
REGULAR_SHARE = 0.5
# Mean gaps are log-normal over customers: the median in days, and the deviation of the logarithm.
MEDIAN_GAP_DAYS = 14.0
GAP_DEVIATION = 0.6
# Lines of an order are geometric; their mean is log-normal over customers.
MEDIAN_LINES_PER_ORDER = 3.5
LINES_DEVIATION = 0.3

# Customers who were there before the first day; the others join uniformly in the part after it.
EXISTING_SHARE = 0.5
JOINING_PART = 0.8

# Lifetimes are exponential. A cause multiplies the rate of lapsing.
LIFETIME_DAYS = 540.0
CAUSE_FACTOR = 3.0
MANY_RETURNS, DISCOUNT_STOPPED = "many_returns", "discount_stopped"
CAUSE_SHARES = {MANY_RETURNS: 0.15, DISCOUNT_STOPPED: 0.15}
# Days until the discount of those stops whose discount does, on average. Such that lapse and stop
# together are not as frequent as the lapse afterwards: expected.py divides by the difference.
DISCOUNT_DAYS = 240.0

RETURN_SHARE = 0.03
MANY_RETURNS_FACTOR = 4.0
RETURN_AFTER_DAYS = (2, 30)
LATE_SHARE = 0.05
LATE_DAYS = (1, 10)
DISCOUNT_SHARE = 0.3
DISCOUNT_RATE = 0.2
# An item more is taken with this chance, again and again: quantities are geometric.
MORE_ITEMS = 0.25

HEAVY_SHARE = 0.01
HEAVY_LINES_PER_ORDER = 20

SEASON_AMPLITUDE = 0.25
SEASON_PEAK_DAY = 340  # of the year: early in December

# Zipf's exponent of the products within a department.
ZIPF_EXPONENT = 1.0
# How often a line is one of the customer's own favourites, and how many of these there are.
FAVOURITE_SHARE = 0.5
N_FAVOURITES = 12


@dataclass(frozen=True)
class SampleSettings:
    """Size, dates and seed of a sample.

    Raises ConfigError, with every fault, where one is out of its bounds.
    """

    n_customers: int = 2_000
    n_days: int = 730
    seed: int = 1
    start: date = date(2023, 1, 2)
    n_products: int = 1_000

    def __post_init__(self) -> None:
        wanted = (
            ("--customers", self.n_customers, 10, 10**9),
            ("--days", self.n_days, 28, 36_500),
            ("--seed", self.seed, -(2**63), 2**63 - 1),
            ("--products", self.n_products, 80, 10**7),
        )
        faults = [
            f"{flag} is {value}, expected {low} to {high}"
            for flag, value, low, high in wanted
            if not low <= value <= high
        ]
        # Outside of these years core.transactions believes no time, or nobody has data of them.
        if not 1990 <= self.start.year <= 2200:
            faults.append(f"--start is {self.start}, expected a day of 1990 to 2200")
        if faults:
            raise ConfigError(listed("the sample cannot be made", faults))

    @property
    def first_day(self) -> int:
        """The first day, in days since 1970."""
        return (self.start - EPOCH).days

    @property
    def end_day(self) -> int:
        """The day after the last, in days since 1970."""
        return self.first_day + self.n_days

    @property
    def end(self) -> date:
        """The day after the last."""
        return self.start + timedelta(days=self.n_days)
