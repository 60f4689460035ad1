"""backtest_demand: how good forecasts would have been, had they been made on past dates."""

from __future__ import annotations

from crm_spark.jobs.of_models import BacktestJob
from crm_spark.models.registry import find_model

_JOB = BacktestJob(find_model("demand"))
DESCRIPTION = _JOB.DESCRIPTION
NEEDS_AS_OF = _JOB.NEEDS_AS_OF
run = _JOB.run
