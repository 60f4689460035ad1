"""Customer factors from product factors and what the customers bought."""

from __future__ import annotations

import numpy as np

from crm_spark.models.recommender.als_kernel import Floats, Ratings, other_side, solve
from crm_spark.models.recommender.catalogue import Catalogue

# Steps end when a residual has fallen this far; rounding lets it fall no further than 1e-15.
TOLERANCE = 1e-13
MOST_STEPS = 500


def strength(weight: Floats) -> Floats:
    """Turn a purchase count into ALS's rating: its logarithm, so that habits do not drown all."""
    return np.log1p(weight)


class FoldIn:
    """Customer factors from product factors and a customer's history."""

    def __init__(self, catalogue: Catalogue, *, alpha: float, regularization: float) -> None:
        self._has_factors = catalogue.has_factors
        self._alpha = alpha
        self._regularization = regularization
        wide = catalogue.factors.astype(np.float64)
        wide[~catalogue.has_factors] = 0
        self._products = other_side(wide)

    def customer_factors(self, histories: Ratings) -> Floats:
        """Give one row of factors a customer (doubles); zeros for one without a known product.

        `histories` has places in the catalogue with weights. Solves (Y'Y + sum c y y' + lambda n I)
        x = sum (1 + c) y over the n products y of the history with c = alpha * strength: equation 4
        of Hu, Koren and Volinsky (2008), with MLlib's scaling of lambda by n.
        """
        # MLlib, too, takes a weight of zero for no purchase at all.
        is_known = self._has_factors[histories.indices] & (histories.ratings > 0)
        before = np.concatenate([[0], np.cumsum(is_known)])
        known = Ratings(
            before[histories.offsets],
            histories.indices[is_known],
            strength(histories.ratings[is_known]),
        )
        return solve(
            known,
            self._products,
            alpha=self._alpha,
            regularization=self._regularization,
            steps=MOST_STEPS,
            tolerance=TOLERANCE,
        )
