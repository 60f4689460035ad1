"""train_contract_churn: learn who leaves from contracts that say who has left, beside rules."""

from __future__ import annotations

from crm_spark.jobs.of_models import TrainJob
from crm_spark.models.registry import find_model

_JOB = TrainJob(find_model("contract_churn"))
DESCRIPTION = _JOB.DESCRIPTION
NEEDS_AS_OF = _JOB.NEEDS_AS_OF
targets = _JOB.targets
run = _JOB.run
