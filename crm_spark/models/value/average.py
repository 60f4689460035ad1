"""The mean of what several candidates expect.

Each is wrong in its own way, and partly these errors cancel: what was spent lately knows what has
changed, a rate over all of the time what was chance. Bates and Granger (1969), "The combination of
forecasts", Operational Research Quarterly 20(4). With equal weights: those that are fitted rarely
do better (Clemen 1989, "Combining forecasts", International Journal of Forecasting 5(4)).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from crm_spark.models.purchases import Floats
from crm_spark.models.value.model import Customers, Predicted, Predictor


@dataclass(frozen=True)
class Average:
    """Candidates by name, as fitted, and the mean of them.

    Orders and probabilities are the means of those members that know them.
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
        return Predicted(
            amount,
            _mean_of_known(one.order_days for one in found),
            _mean_of_known(one.order_probability for one in found),
        )

    def spec(self) -> dict[str, Any]:
        """See Predictor."""
        return {"members": [{"name": name, "spec": one.spec()} for name, one in self.members]}


def _mean_of_known(values: Iterable[Floats | None]) -> Floats | None:
    known = [one for one in values if one is not None]
    return np.asarray(np.mean(known, axis=0)) if known else None
