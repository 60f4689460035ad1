"""forecast_demand: say what will be sold of each product, department and in all."""

from __future__ import annotations

from crm_spark.jobs.of_models import ScoreJob
from crm_spark.models.registry import find_model

_JOB = ScoreJob(find_model("demand"))
DESCRIPTION = _JOB.DESCRIPTION
NEEDS_AS_OF = _JOB.NEEDS_AS_OF
targets = _JOB.targets
run = _JOB.run
