"""Newton's method with halved steps, for weights that are few and a loss that is convex."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from crm_spark.models.binary_metrics import Floats

# Weights as stored: coarser than what sums differ by on another machine.
DECIMALS = 9
_MAX_STEPS = 100
_TOLERANCE = 1e-9


def minimised(
    start: Floats,
    loss: Callable[[Floats], float],
    slopes: Callable[[Floats], tuple[Floats, Floats]],
) -> Floats:
    """Give the weights of the least loss, from `start` on.

    `slopes` gives the descent, which is the gradient with its sign changed, and the Hessian. A step
    is halved until the loss no longer rises.
    """
    weights, now = start, loss(start)
    for _ in range(_MAX_STEPS):
        descent, hessian = slopes(weights)
        step = np.linalg.solve(hessian, descent)
        size = 1.0
        while size > 1e-6 and (then := loss(weights + size * step)) > now:
            size /= 2
        if size <= 1e-6:
            break
        weights, now = weights + size * step, then
        if float(np.abs(size * step).max()) < _TOLERANCE:
            break
    return weights
