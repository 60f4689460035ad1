"""Forecasts that add up: products to their department, departments to the total."""

from __future__ import annotations

import numpy as np

from crm_spark.models.demand.series import Floats, Ints


def reconcile(forecasts: Floats, parent: Ints, variances: Floats) -> Floats:
    """Give forecasts near to those given that add up over the tree, none below zero.

    A row a series, a column a period; `parent` as in Tree; `variances` says how far each series is
    usually off. The weighted least squares of Wickramasuriya, Athanasopoulos and Hyndman (2019),
    "Optimal forecast reconciliation ... through trace minimization", with the diagonal of the
    errors' covariance: on a tree it is one pass up, where a series meets the sum of its parts, and
    one down, where what is left is shared out by variance. They are the nearest there are where
    none of them would be below zero; such a one is set to zero, and the others of its parent are
    made smaller in proportion.
    """
    inner = [int(one) for one in np.unique(parent[parent >= 0])]
    children = {one: np.flatnonzero(parent == one) for one in inner}
    found = np.array(forecasts, float)
    variance = np.maximum(np.asarray(variances, float), np.finfo(float).tiny)
    for one in reversed(inner):  # parents stand before their children
        parts = children[one]
        total, total_variance = found[parts].sum(axis=0), variance[parts].sum()
        weight = variance[one] / (variance[one] + total_variance)
        found[one] += weight * (total - found[one])
        shrunk = variance[one] * (total_variance / (variance[one] + total_variance))
        variance[one] = max(shrunk, np.finfo(float).tiny)
    found[0] = np.maximum(found[0], 0.0)
    for one in inner:
        parts = children[one]
        missing = found[one] - found[parts].sum(axis=0)
        share = variance[parts] / variance[parts].sum()
        shared = np.maximum(found[parts] + share[:, None] * missing, 0.0)
        total = shared.sum(axis=0)
        # Parts that would have been below zero leave too much to the others.
        found[parts] = shared * np.divide(
            found[one], total, out=np.zeros_like(total), where=total > 0
        )
        empty = total <= 0
        found[np.ix_(parts, empty)] = share[:, None] * found[one][empty]
    return found
