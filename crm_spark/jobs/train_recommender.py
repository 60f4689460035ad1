"""train_recommender: test ladders beside the trivial rules, choose those that recommend, fit."""

from __future__ import annotations

from crm_spark.jobs.of_models import TrainJob
from crm_spark.models.registry import find_model

_JOB = TrainJob(find_model("recommender"))
DESCRIPTION = _JOB.DESCRIPTION
NEEDS_AS_OF = _JOB.NEEDS_AS_OF
targets = _JOB.targets
run = _JOB.run
