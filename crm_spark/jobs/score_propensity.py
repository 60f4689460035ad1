"""score_propensity: say how probably every customer buys of each department and product."""

from __future__ import annotations

from crm_spark.jobs.of_models import ScoreJob
from crm_spark.models.registry import find_model

_JOB = ScoreJob(find_model("propensity"))
DESCRIPTION = _JOB.DESCRIPTION
NEEDS_AS_OF = _JOB.NEEDS_AS_OF
targets = _JOB.targets
run = _JOB.run
