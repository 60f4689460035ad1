"""Recommendations as a model: their contract with the runners."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from crm_spark.features.interactions import bought_between
from crm_spark.features.lines import midnight
from crm_spark.features.tables import CUSTOMER_SNAPSHOT, PRODUCT_INTERACTIONS
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
from crm_spark.models.recommender.als import ProductFactors
from crm_spark.models.recommender.facts import read_recommendations
from crm_spark.models.recommender.hit_shares import customer_silences, with_hit_probability
from crm_spark.models.recommender.metrics import HIT_RATE
from crm_spark.models.recommender.offers import (
    customer_histories,
    rank_products,
)
from crm_spark.models.recommender.report import GLOSSARY, show_recommendations
from crm_spark.models.recommender.section import Policy, RecommendationsSection
from crm_spark.models.recommender.tables import PRODUCT_RECOMMENDATIONS
from crm_spark.models.recommender.train import (
    CANDIDATES,
    LADDER,
    RULES,
    KnownPurchases,
    RecommenderModel,
    choose_ladders,
    figures_of,
    fit_catalogue,
    known_purchases,
    ladders_in_words,
    ladders_of,
    load_recommender_model,
    measure_candidates,
)
from crm_spark.models.recommender.verdicts import (
    ENOUGH_FOR_RECOMMENDATIONS,
    engine_verdicts,
    measured_customers,
    recommendations_verdicts,
)
from crm_spark.models.records import rows_hash
from crm_spark.models.usability.facts import DataFacts
from crm_spark.runtime.progress import log, stage
from crm_spark.tables.checks import Verdict
from crm_spark.tables.core import CUSTOMERS, TRANSACTIONS
from crm_spark.tables.history import as_of
from crm_spark.tables.mapped import Mapped

FACTORS_FILE = "product_factors.parquet"


@dataclass(frozen=True)
class TestedLadder:
    """A ladder as a candidate."""

    __test__ = False  # no test, whatever pytest makes of its name

    name: str

    @property
    def is_rule(self) -> bool:
        """Whether it is a trivial rule."""
        return self.name in RULES


class Recommender(Model[RecommendationsSection, None, RecommenderModel]):
    """What to offer: a ladder of rungs, with ALS only where it surely beats the best rule."""

    name = "recommender"
    section = RecommendationsSection
    section_name = "recommendations"
    training_in_words = (
        "Fit recommendations, test them beside popularity and buying again, choose the best."
    )
    scoring_in_words = (
        "Recommend products to every customer of the date, rung by rung of the ladder."
    )
    tables = (PRODUCT_RECOMMENDATIONS,)
    generation = 5
    glossary = GLOSSARY
    not_learnt = frozenset({"policy", "n"})

    @property
    def score_job(self) -> str:
        """The job that scores with it."""
        return "recommend_products"

    def lacks(self, mapped: Mapped) -> str | None:
        """Say that products are needed."""
        if mapped.has("transactions", "product_id"):
            return None
        return "recommendations need product_id: map it in sources.transactions.columns"

    def plan(self, section: RecommendationsSection, day: date, first_order: date) -> Plan:
        """Test on the latest closed cut-off what was learnt before it; learn from the date, too.

        The ladders are chosen on the cut-off before, which had closed by then, where there is the
        history before it that tells what is popular.
        """
        test = section.test_cutoff(day)
        earlier = section.test_cutoff(test)
        can_choose = (earlier - first_order).days >= section.popular_days
        return Plan(
            Cutoffs(test, (test,) if test > first_order else ()),
            Cutoffs(earlier, (earlier,)) if can_choose else None,
        )

    def learns_from(self, section: RecommendationsSection, plan: Plan, day: date) -> Sequence[Read]:
        """Give the interactions of the date, which the factors are of, and of the cut-offs."""
        return (Read(PRODUCT_INTERACTIONS, (day, *plan.dates)),)

    scores_from_sources = (CUSTOMERS,)

    def scores_from(self, section: RecommendationsSection, day: date) -> Sequence[Read]:
        """Give the customers and the interactions of the date."""
        return (Read(CUSTOMER_SNAPSHOT, (day,)), Read(PRODUCT_INTERACTIONS, (day,)))

    def read(self, run: ModelRun[RecommendationsSection], plan: Plan) -> None:
        """Give nothing: what is learnt from is read a cut-off at a time."""

    def content(
        self, run: ModelRun[RecommendationsSection], plan: Plan, data: None
    ) -> Sequence[object]:
        """Give the hashes of all dates' interactions."""
        columns = PRODUCT_INTERACTIONS.content_columns
        hashes = [
            rows_hash(run.lake.read_date(PRODUCT_INTERACTIONS, day), *columns)
            for day in (run.day, *plan.dates)
        ]
        return (run.day, plan, hashes)

    def judge(
        self,
        run: ModelRun[RecommendationsSection],
        facts: DataFacts,
        plan: Plan,
        data: None,
    ) -> list[Verdict]:
        """Judge history, customers, and the order lines."""
        return recommendations_verdicts(facts, params=run.section)

    def candidates(self, section: RecommendationsSection) -> Sequence[Candidate]:
        """Give the ladders, the trivial ones first."""
        return [TestedLadder(name) for name in CANDIDATES]

    def prepare(self, run: ModelRun[RecommendationsSection], step: Cutoffs, data: None) -> Prepared:
        """Fit on what was known on the step's cut-off, and see what was bought after it."""
        interactions = run.keep(run.lake.read_date(PRODUCT_INTERACTIONS, step.test))
        with stage(run.spark, f"fit recommendations on what was known on {step.test}"):
            catalogue, factors = fit_catalogue(interactions, run.section)
        after = bought_between(
            run.lake.read(TRANSACTIONS),
            start=step.test,
            end=step.test + timedelta(days=run.section.horizon_days),
            known_before=run.section.closed(step.test),
        )
        known = known_purchases(interactions, catalogue, after, run.section)
        kept = replace(
            known, histories=run.keep(known.histories), relevant=run.keep(known.relevant)
        )
        return Prepared(kept, verdicts=engine_verdicts(factors))

    def test(
        self,
        run: ModelRun[RecommendationsSection],
        step: Cutoffs,
        data: None,
        prepared: Prepared,
        choice: Choice | None = None,
    ) -> tuple[Tested[RecommenderModel], ...]:
        """Measure the lists of every ladder, all in one pass."""
        known: KnownPurchases = prepared.value
        with stage(run.spark, f"test the ladders on the purchases from {step.test}"):
            measured = measure_candidates(known, run.section)
        return tuple(
            Tested(
                one.name,
                one.is_rule,
                RecommenderModel(
                    ladders_of(one.name),
                    run.section.weight,
                    run.section,
                    fitted_on=run.day,
                    hit_shares=measured.hit_shares[one.name],
                ),
                measured.figures[one.name],
            )
            for one in self.candidates(run.section)
        )

    def tells(self, tested: Sequence[Tested[RecommenderModel]]) -> bool:
        """Whether enough customers were measured to choose by them."""
        return _n_measured(tested) >= ENOUGH_FOR_RECOMMENDATIONS

    def choose(
        self, section: RecommendationsSection, tested: Sequence[Tested[RecommenderModel]]
    ) -> Choice:
        """Choose the ladder of each policy."""
        chosen = choose_ladders(tested)
        return Choice(LADDER, (LADDER,), ladders_in_words(chosen, tested), parts=chosen)

    def compose(
        self,
        run: ModelRun[RecommendationsSection],
        step: Cutoffs,
        data: None,
        prepared: Prepared,
        choice: Choice,
        tested: Sequence[Tested[RecommenderModel]],
    ) -> tuple[Tested[RecommenderModel], ...]:
        """Put what recommends together of the ladders of the policies."""
        chosen: Mapping[Policy, str] = choice.parts
        by_name = {one.name: one for one in tested}
        of_policy = {policy: by_name[name] for policy, name in chosen.items()}
        model = replace(
            tested[0].fitted,
            ladders={policy: one.fitted.ladders[policy] for policy, one in of_policy.items()},
            hit_shares={
                policy: one.fitted.hit_shares.get(policy, {}) for policy, one in of_policy.items()
            },
        )
        figures = [
            figure
            for policy, one in of_policy.items()
            for figure in figures_of(one, policy).values()
        ]
        verdict = measured_customers(_n_measured(tested))
        return (*tested, Tested(LADDER, False, model, tuple(figures), (verdict,)))

    def artifact(
        self,
        run: ModelRun[RecommendationsSection],
        tested: Tested[RecommenderModel],
        choice: Choice,
        plan: Plan,
        data: None,
    ) -> Artifact:
        """Fit on all that is known on the date, and give the factors with the ladders."""
        model, params = tested.fitted, run.section
        factors: ProductFactors | None = None
        if model.needs_factors:
            interactions = run.keep(run.lake.read_date(PRODUCT_INTERACTIONS, run.day))
            with stage(run.spark, f"fit recommendations on what was known on {run.day}"):
                _, factors = fit_catalogue(interactions, params)
        return Artifact(
            spec_json=json.dumps(model.spec(), indent=1, sort_keys=True),
            params={
                **params.model_dump(
                    mode="json", exclude={"als", "policy", "n", "exclude_products"}
                ),
                **params.als.model_dump(mode="json"),
                **{
                    f"ladder.{policy}": " > ".join(ladder.rungs)
                    for policy, ladder in model.ladders.items()
                },
                **({} if factors is None else factors.engine_in_words()),
            },
            frames={} if factors is None else {FACTORS_FILE: factors.frame},
        )

    def load(self, stored: StoredVersion) -> RecommenderModel:
        """Put a model together again."""
        model = load_recommender_model(stored.spec())
        if not model.needs_factors:
            return model
        return replace(model, factors=stored.frame(FACTORS_FILE))

    def score(
        self, run: ModelRun[RecommendationsSection], fitted: RecommenderModel
    ) -> Mapping[Table, DataFrame]:
        """Give the products to offer each customer, best first."""
        ladder = fitted.ladders[run.section.policy]
        log.info("policy %s: %s", ladder.policy, " > ".join(ladder.rungs))
        interactions = run.lake.read_date(PRODUCT_INTERACTIONS, run.day)
        catalogue = fitted.catalogue(interactions)
        histories = customer_histories(
            _customers(run), interactions, catalogue, weight=fitted.weight
        )
        offers = rank_products(
            histories, catalogue, {"": ladder}, fitted.params.als, n=run.section.n
        )
        shares = fitted.hit_shares.get(ladder.policy, {})
        silences = customer_silences(interactions, fitted.params.horizon_days)
        known = with_hit_probability(offers.drop("list"), silences, shares)
        return {PRODUCT_RECOMMENDATIONS: known}

    def report(self, request: ReportRequest, section: RecommendationsSection) -> Subject | None:
        """Give what is offered, and how good it is."""
        return show_recommendations(read_recommendations(request, section), request.style)


def _n_measured(tested: Sequence[Tested[RecommenderModel]]) -> int:
    """Give the customers who bought anything in the days of the test."""
    metrics = [one for candidate in tested for one in candidate.metrics]
    return max((one.n for one in metrics if one.name == f"{HIT_RATE}.all"), default=0)


def _customers(run: ModelRun[RecommendationsSection]) -> DataFrame:
    """Give everyone to offer something to: with an order before the date, or known by then."""
    ordered = run.lake.read_date(CUSTOMER_SNAPSHOT, run.day).select("customer_id")
    if not run.mapped.has("customers"):
        return ordered
    signed_up = F.col("signed_up_at")
    before = signed_up.isNull() | (signed_up < midnight(F.lit(run.day)))
    known = as_of(run.lake.read(CUSTOMERS), days=[run.day]).where(before)
    return ordered.union(known.select("customer_id")).distinct()
