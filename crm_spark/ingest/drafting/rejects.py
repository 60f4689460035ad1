"""How many of a source's first rows a mapping would reject, and why."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import reduce

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from crm_spark.ingest.mapping.columns import REASONS
from crm_spark.ingest.mapping.rows import map_rows, origin_of
from crm_spark.ingest.planning.found import Found

_N_ROWS = 20_000
_MOST_REASONS = 5


@dataclass(frozen=True)
class Rejects:
    """Counts of first rows, those of them that would be rejected, and the usual reasons."""

    n_rows: int
    n_rejected: int
    reasons: tuple[tuple[str, int], ...] = ()

    def __str__(self) -> str:
        share = f"{100 * self.n_rejected / self.n_rows:.1f} %" if self.n_rows else "none"
        start = f"{self.n_rejected:,} of the first {self.n_rows:,} rows would be rejected ({share})"
        why = "; ".join(f"{n:,}: {reason}" for reason, n in self.reasons)
        return f"{start}: {why}" if why else start


def count_rejects(spark: SparkSession, found: Found) -> Rejects:
    """Map the first rows of each layout of a source, and count what cannot be used."""
    is_files = found.source.is_files
    parts = found.parts(spark, found.layouts) if is_files else found.whole(spark)
    mapped = [
        map_rows(
            part.rows.limit(_N_ROWS),
            found.source,
            part.origin or origin_of(found.source),
            misfit=part.misfit,
        )
        for part in parts
    ]
    if not mapped:
        return Rejects(0, 0)
    reasons = reduce(DataFrame.unionAll, [rows.select(REASONS) for rows in mapped])
    counts = reasons.groupBy(F.get(REASONS, F.lit(0)).alias("reason")).count().collect()
    n = {row["reason"]: row["count"] for row in counts}
    rejected = Counter({reason: count for reason, count in n.items() if reason is not None})
    return Rejects(sum(n.values()), rejected.total(), tuple(rejected.most_common(_MOST_REASONS)))
