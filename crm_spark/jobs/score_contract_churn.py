"""score_contract_churn: how likely each contract customer is to leave, and why."""

from __future__ import annotations

from crm_spark.jobs.of_models import ScoreJob
from crm_spark.models.registry import find_model

_JOB = ScoreJob(find_model("contract_churn"))
DESCRIPTION = _JOB.DESCRIPTION
NEEDS_AS_OF = _JOB.NEEDS_AS_OF
targets = _JOB.targets
run = _JOB.run
