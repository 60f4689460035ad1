"""The mean of what several candidates expect.

Each is wrong in its own way, and partly these errors cancel: what was spent lately knows what has
changed, a rate over all of the time what was chance. Bates and Granger (1969), "The combination of
forecasts", Operational Research Quarterly 20(4). With equal weights: those that are fitted rarely
do better (Clemen 1989, "Combining forecasts", International Journal of Forecasting 5(4)).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from crm_spark.models.value.buy_till_you_die import BuyTillYouDie
from crm_spark.models.value.model import Customers, Predicted, Predictor


@dataclass(frozen=True)
class Average:
    """Candidates by name, as fitted, and the mean of what they expect to be spent.

    Orders and probabilities are those of the member that models when customers order: it knows them
    of any horizon, where others know them of one, and a mean of some members over 28 days and of
    others over 84 could give the longer one the lower probability.
    """

    members: tuple[tuple[str, Predictor], ...]

    def predict(
        self, customers: Customers, horizon_days: int, *, discount_rate: float = 0.0
    ) -> Predicted:
        """See Predictor."""
        found = [
            member.predict(customers, horizon_days, discount_rate=discount_rate)
            for _, member in self.members
        ]
        amount = np.mean([one.amount for one in found], axis=0)
        process = order_process(self)
        for (_, member), of_it in zip(self.members, found, strict=True):
            if member is process:
                return Predicted(amount, of_it.order_days, of_it.order_probability)
        return Predicted(amount)

    def spec(self) -> dict[str, Any]:
        """See Predictor."""
        return {"members": [{"name": name, "spec": one.spec()} for name, one in self.members]}


def order_process(predictor: Predictor) -> BuyTillYouDie | None:
    """Give the model of when customers order: a predictor itself or a mean's member, else None."""
    members = (
        [one for _, one in predictor.members] if isinstance(predictor, Average) else [predictor]
    )
    return next((one for one in members if isinstance(one, BuyTillYouDie)), None)
