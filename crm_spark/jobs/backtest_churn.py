"""backtest_churn: how good churn would have been on past dates, had it been trained before each."""

from __future__ import annotations

from crm_spark.jobs.of_models import BacktestJob
from crm_spark.models.registry import find_model

_JOB = BacktestJob(find_model("churn"))
DESCRIPTION = _JOB.DESCRIPTION
NEEDS_AS_OF = _JOB.NEEDS_AS_OF
run = _JOB.run
