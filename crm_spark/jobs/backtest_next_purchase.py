"""backtest_next_purchase: how well past dates would have told who orders next, and when."""

from __future__ import annotations

from crm_spark.jobs.of_models import BacktestJob
from crm_spark.models.registry import find_model

_JOB = BacktestJob(find_model("next_purchase"))
DESCRIPTION = _JOB.DESCRIPTION
NEEDS_AS_OF = _JOB.NEEDS_AS_OF
run = _JOB.run
