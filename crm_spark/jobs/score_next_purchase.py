"""score_next_purchase: say how probably every customer orders in the next days, and when."""

from __future__ import annotations

from crm_spark.jobs.of_models import ScoreJob
from crm_spark.models.registry import find_model

_JOB = ScoreJob(find_model("next_purchase"))
DESCRIPTION = _JOB.DESCRIPTION
NEEDS_AS_OF = _JOB.NEEDS_AS_OF
targets = _JOB.targets
run = _JOB.run
