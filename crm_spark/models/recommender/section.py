"""The recommendations section: what to offer, how purchases weigh, and how ALS learns."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Policy = Literal["all", "new_only"]
POLICIES: tuple[Policy, ...] = ("all", "new_only")
Engine = Literal["auto", "arrow", "mllib"]
Weight = Literal["n_orders", "n_orders_half_life_30d", "n_orders_half_life_90d"]


class AlsParams(BaseModel):
    """Implicit alternating least squares, as Spark MLlib names its settings.

    `engine` arrow solves blocks of customers and of products by numpy in the executors' Python, and
    needs the factors of both to fit: `factors_gb` says how much they may take, by default a quarter
    of the driver's memory and half of spark.driver.maxResultSize. mllib is Spark's own. auto takes
    arrow where it can be had.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    rank: int = Field(default=32, ge=2, le=256)
    alpha: float = Field(default=1.0, gt=0)
    regularization: float = Field(default=0.1, gt=0)
    iterations: int = Field(default=10, ge=1, le=100)
    engine: Engine = "auto"
    factors_gb: float | None = Field(default=None, gt=0)
    # Products of fewer customers get no factors: nothing can be learnt of them.
    min_customers: int = Field(default=5, ge=1)


class RecommendationsSection(BaseModel):
    """Recommendations of products.

    `policy` all offers what a customer is most likely to buy, bought before or not; new_only leaves
    out whatever the customer has ever bought. `weight` is the column of
    features.product_interactions that says how much a customer's purchases of a product count.
    Only products sold within `sold_within_days` of the newest sale are offered; the popular ones
    are those with the most customers in the last `popular_days`. `exclude_products` are ids of what
    is no product to offer, such as postage, fees and samples: nothing is learnt of them, and they
    count neither as offers nor as purchases.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    policy: Policy = "all"
    n: int = Field(default=10, ge=1, le=100)
    horizon_days: int = Field(default=28, ge=1, le=730)
    grace_days: int = Field(default=0, ge=0, le=365)
    weight: Weight = "n_orders_half_life_90d"
    sold_within_days: int = Field(default=84, ge=1)
    popular_days: int = Field(default=56, ge=1)
    exclude_products: tuple[str, ...] = ()
    seed: int = 1
    als: AlsParams = Field(default_factory=AlsParams)
    rows_per_partition: int = Field(default=200_000, ge=1000)

    def test_cutoff(self, as_of: date) -> date:
        """Give the latest date whose following purchases are known on `as_of`."""
        return as_of - timedelta(days=self.horizon_days + self.grace_days)

    def closed(self, cutoff: date) -> date:
        """Give the date from which the purchases after a cut-off are known."""
        return cutoff + timedelta(days=self.horizon_days + self.grace_days)
