"""score_churn: the champion's probability for every active customer of one date."""

from __future__ import annotations

from crm_spark.jobs.of_models import ScoreJob
from crm_spark.models.registry import find_model

_JOB = ScoreJob(find_model("churn"))
DESCRIPTION = _JOB.DESCRIPTION
NEEDS_AS_OF = _JOB.NEEDS_AS_OF
targets = _JOB.targets
run = _JOB.run
