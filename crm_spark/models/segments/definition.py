"""Segments as a model: its contract with the runners."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

from pyspark.sql import DataFrame

from crm_spark.features.tables import CUSTOMER_SNAPSHOT
from crm_spark.lake.contract import Table
from crm_spark.models.contract import (
    Artifact,
    Candidate,
    Choice,
    Cutoffs,
    Model,
    ModelRun,
    Plan,
    Prepared,
    Read,
    ReportRequest,
    StoredVersion,
    Subject,
    Tested,
)
from crm_spark.models.records import rows_hash
from crm_spark.models.segments.facts import read_segments
from crm_spark.models.segments.model import (
    CLUSTER,
    SegmentModel,
    assign_segments,
    load_segment_model,
    standardised,
)
from crm_spark.models.segments.profiles import segment_profiles
from crm_spark.models.segments.report import GLOSSARY, show_segments
from crm_spark.models.segments.section import SegmentsSection
from crm_spark.models.segments.tables import CUSTOMER_SEGMENTS, SEGMENT_PROFILES
from crm_spark.models.segments.train import (
    KMEANS,
    SPEND,
    SPEND_GROUPS,
    PreparedCustomers,
    beside_spend_groups,
    choose_number,
    fit_centers,
    measure_numbers,
    prepare_customers,
    spread_customers,
)
from crm_spark.models.segments.verdicts import left_out_verdicts, segments_verdicts
from crm_spark.models.tracking import LoggedPipeline
from crm_spark.models.usability.facts import DataFacts
from crm_spark.runtime.progress import log, stage
from crm_spark.tables.checks import Verdict
from crm_spark.words import counted


class Segments(Model[SegmentsSection, DataFrame, SegmentModel | None]):
    """Who is alike: k-means on the snapshot of the date, beside groups cut by spend alone.

    There is no outcome to wait for, and so no earlier cut-off to choose on: the number of segments
    is chosen on one half of a sample of customers, on which its silhouette and stability are
    measured; the comparison with the groups is measured on the other, with centres of the first.

    Its candidates are numbers of segments, which its own test measures; none of them is a rule.
    """

    name = "segments"
    section = SegmentsSection
    section_name = "segments"
    training_in_words = (
        "Find segments of alike customers by k-means, choose how many, and name them."
    )
    scoring_in_words = "Put every customer of the date into a segment, and profile the segments."
    tables = (CUSTOMER_SEGMENTS, SEGMENT_PROFILES)
    generation = 4
    glossary = GLOSSARY

    def plan(self, section: SegmentsSection, day: date, first_order: date) -> Plan:
        """Learn from the date itself: there is no outcome to wait for."""
        return Plan(Cutoffs(day, (day,)))

    def learns_from(self, section: SegmentsSection, plan: Plan, day: date) -> Sequence[Read]:
        """Give the snapshot of the date."""
        return (Read(CUSTOMER_SNAPSHOT, (day,)),)

    def scores_from(self, section: SegmentsSection, day: date) -> Sequence[Read]:
        """Give the snapshot of the date."""
        return (Read(CUSTOMER_SNAPSHOT, (day,)),)

    def read(self, run: ModelRun[SegmentsSection], plan: Plan) -> DataFrame:
        """Give the snapshot of the date."""
        return run.lake.read_date(CUSTOMER_SNAPSHOT, run.day)

    def content(
        self, run: ModelRun[SegmentsSection], plan: Plan, data: DataFrame
    ) -> Sequence[object]:
        """Give the number of customers, and the hash of the features in use."""
        columns = dict.fromkeys(["customer_id", SPEND, *run.section.features])
        return (data.count(), rows_hash(data, *columns))

    def judge(
        self,
        run: ModelRun[SegmentsSection],
        facts: DataFacts,
        plan: Plan,
        data: DataFrame | None,
    ) -> list[Verdict]:
        """Judge history, customers, and the order lines."""
        return segments_verdicts(facts, params=run.section)

    def candidates(self, section: SegmentsSection) -> Sequence[Candidate]:
        """Give none: the numbers of segments are measured together."""
        return ()

    def prepare(self, run: ModelRun[SegmentsSection], step: Cutoffs, data: DataFrame) -> Prepared:
        """Fit the inputs and draw the sample."""
        rows = run.keep(spread_customers(data, run.section))
        return Prepared(prepare_customers(rows, run.section, run.features))

    def test(
        self,
        run: ModelRun[SegmentsSection],
        step: Cutoffs,
        data: DataFrame,
        prepared: Prepared,
        choice: Choice | None = None,
    ) -> tuple[Tested[SegmentModel | None], ...]:
        """Measure each number of segments on the sample."""
        with stage(run.spark, "how many segments"):
            measured = measure_numbers(prepared.value, run.section)
        inputs = [feature.name for feature in prepared.value.inputs]
        left_out = tuple(left_out_verdicts(run.section, inputs))
        return (Tested(KMEANS, False, None, measured, left_out),)

    def choose(
        self, section: SegmentsSection, tested: Sequence[Tested[SegmentModel | None]]
    ) -> Choice:
        """Choose how many."""
        k, why = choose_number(tested[0].metrics, section)
        why = "; ".join([why, *[verdict.message for verdict in tested[0].verdicts]])
        return Choice(KMEANS, (KMEANS,), why, parts=k, is_apart=True)

    def compose(
        self,
        run: ModelRun[SegmentsSection],
        step: Cutoffs,
        data: DataFrame,
        prepared: Prepared,
        choice: Choice,
        tested: Sequence[Tested[SegmentModel | None]],
    ) -> tuple[Tested[SegmentModel | None], ...]:
        """Find the centres of the chosen number, and measure it beside as many groups by spend."""
        customers: PreparedCustomers = prepared.value
        with stage(run.spark, f"fit {counted(choice.parts, 'segment')}"):
            model = fit_centers(customers, run.section, k=choice.parts)
        measured = beside_spend_groups(customers, run.section, k=choice.parts)
        for segment in model.segments:
            log.info("  %d %s", segment.segment_id, segment.name)
        numbers, verdicts = tested[0].metrics, tested[0].verdicts
        return (
            Tested(SPEND_GROUPS, True, None, measured[SPEND_GROUPS]),
            Tested(KMEANS, False, model, (*numbers, *measured[KMEANS]), verdicts),
        )

    def artifact(
        self,
        run: ModelRun[SegmentsSection],
        tested: Tested[SegmentModel | None],
        choice: Choice,
        plan: Plan,
        data: DataFrame,
    ) -> Artifact:
        """Give the pipeline with its inputs, centres and names."""
        model = tested.fitted
        assert model is not None, "only k-means is registered"
        params = run.section.model_dump(mode="json")
        return Artifact(
            spec_json=model.spec_json(),
            pipeline=LoggedPipeline(
                model.pipeline, standardised(data, model.inputs, keep=[]), (CLUSTER,)
            ),
            params={**params, "features": ",".join(params["features"])},
        )

    def load(self, stored: StoredVersion) -> SegmentModel:
        """Put a model together again."""
        return load_segment_model(stored.pipeline(), stored.spec())

    def score(
        self, run: ModelRun[SegmentsSection], fitted: SegmentModel | None
    ) -> Mapping[Table, DataFrame]:
        """Give the segment of every customer, and who is in each segment."""
        assert fitted is not None
        snapshot = run.lake.read_date(CUSTOMER_SNAPSHOT, run.day)
        assigned = run.keep(assign_segments(fitted, snapshot, keep=["customer_id"]))
        return {
            CUSTOMER_SEGMENTS: assigned,
            SEGMENT_PROFILES: segment_profiles(assigned, snapshot),
        }

    def report(self, request: ReportRequest, section: SegmentsSection) -> Subject | None:
        """Give the segments and what sets each apart."""
        return show_segments(read_segments(request), request.style)
