"""What the drafted expressions give in Spark: all of them in one job."""

from __future__ import annotations

from typing import Any

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from crm_spark.ingest.analysis import lenient_analysis
from crm_spark.ingest.drafting.amounts import number_sql
from crm_spark.ingest.drafting.column import Column
from crm_spark.ingest.drafting.roles import Choice
from crm_spark.ingest.drafting.times import ordered_at_entry

NUMBERS: list[tuple[list[str], list[float]]] = [
    (["10", "-2.50"], [10, -2.5]),
    (["1,234.50", "2.00"], [1234.5, 2]),
    (["1.234,50", "2,00"], [1234.5, 2]),
    (["1 234,50", "2,00"], [1234.5, 2]),
    (["1'234.50", "2.00"], [1234.5, 2]),
    (["1\u00a0234,5", "2,0"], [1234.5, 2]),
    (["$1,004.50", "-$0.50"], [1004.5, -0.5]),
    (["-14,62 €", "1.234,00\u202f€"], [-14.62, 1234]),
    (["EUR 5.00", "EUR 6.25"], [5, 6.25]),
    (["12,50-", "3,00"], [-12.5, 3]),
    (["12.50-", "3.00"], [-12.5, 3]),
    (["(12.50)", "3.00"], [-12.5, 3]),
    (["($1,012.50)", " $3.00 "], [-1012.5, 3]),
]
STAMPS = [
    (["2019-03-01 10:00:00", "2019-3-1"], ["2019-03-01 10:00:00", "2019-03-01 00:00:00"]),
    (
        ["2019-03-01T10:00:00Z", "2019-03-01 10:00:00 +0200"],
        ["2019-03-01 10:00:00", "2019-03-01 08:00:00"],
    ),
    (
        ["2019-03-01T10:00Z", "2019-03-01T10:00+02:00"],
        ["2019-03-01 10:00:00", "2019-03-01 08:00:00"],
    ),
    (["2019-03-01 10:00 +0200"] * 2, ["2019-03-01 08:00:00"] * 2),
    (["2019-03-01 10:00:00,5"] * 2, ["2019-03-01 10:00:00.5"] * 2),
    (["2019-03-01 9:05 AM", "2019-03-01 9:05 PM"], ["2019-03-01 09:05:00", "2019-03-01 21:05:00"]),
    (["01/02/2019", "13/02/2019"], ["2019-02-01 00:00:00", "2019-02-13 00:00:00"]),
    (["12/1/2010 8:26", "12/13/2010 19:41"], ["2010-12-01 08:26:00", "2010-12-13 19:41:00"]),
    (["12/1/2010 8:26 PM", "12/13/2010 9:41 AM"], ["2010-12-01 20:26:00", "2010-12-13 09:41:00"]),
    (["2.1.19 9:05:07", "13.1.19 10:05:07"], ["2019-01-02 09:05:07", "2019-01-13 10:05:07"]),
    (["02-Jan-2019", "14-FEB-2019"], ["2019-01-02 00:00:00", "2019-02-14 00:00:00"]),
    (["2 January 2019", "14 February 2019"], ["2019-01-02 00:00:00", "2019-02-14 00:00:00"]),
    (["Jan 2, 2019", "Feb 14, 2019"], ["2019-01-02 00:00:00", "2019-02-14 00:00:00"]),
    (["20190102", "20190213"], ["2019-01-02 00:00:00", "2019-02-13 00:00:00"]),
    (["20190102101112", "20190213101112"], ["2019-01-02 10:11:12", "2019-02-13 10:11:12"]),
    (["2019/03/01T10:00", "2019/03/02T11:00"], ["2019-03-01 10:00:00", "2019-03-02 11:00:00"]),
    (
        ["Sat Feb 02 12:50:00 UTC 2019", "Wed Dec 26 09:06:00 UTC 2018"],
        ["2019-02-02 12:50:00", "2018-12-26 09:06:00"],
    ),
    (
        ["Sat, 02 Feb 2019 12:50:00 GMT", "Wed, 26 Dec 2018 09:06:00 GMT"],
        ["2019-02-02 12:50:00", "2018-12-26 09:06:00"],
    ),
    (["1546423872", "1546510272"], ["2019-01-02 10:11:12", "2019-01-03 10:11:12"]),
    (["1546423872000", "1546510272500"], ["2019-01-02 10:11:12", "2019-01-03 10:11:12.5"]),
    (["43525", "43526.5"], ["2019-03-01 00:00:00", "2019-03-02 12:00:00"]),
    (["43525", "43526,25"], ["2019-03-01 00:00:00", "2019-03-02 06:00:00"]),
    (
        ["3/4/2019 11:22:33.125", "3/14/2019 11:22:33.125"],
        ["2019-03-04 11:22:33.125", "2019-03-14 11:22:33.125"],
    ),
]


def columns_of(cases: list[tuple[list[str], list[Any]]], start: str) -> list[Column]:
    return [
        Column(f"{start}{place}", f"{start}{place}", tuple(values))
        for place, (values, _) in enumerate(cases)
    ]


def test_every_form_is_read_in_spark_as_it_was_meant(spark: SparkSession) -> None:
    numbers, stamps = columns_of(NUMBERS, "n"), columns_of(STAMPS, "s")
    texts = {column.name: number_sql(column) for column in numbers}
    for column in stamps:
        expression = ordered_at_entry(Choice(column), stamps).expression
        texts[column.name] = f"cast(cast({expression} as timestamp) as string)"
    rows = list(zip(*[column.values for column in [*numbers, *stamps]], strict=True))
    given = spark.createDataFrame(rows, list(texts))
    with lenient_analysis(spark, "UTC"):
        found = given.select(
            *[
                F.expr(text).cast("double" if name[0] == "n" else "string").alias(name)
                for name, text in texts.items()
            ]
        ).collect()
    right = {name: case[1] for name, case in zip(texts, [*NUMBERS, *STAMPS], strict=True)}
    assert {name: [row[name] for row in found] for name in texts} == right


def test_a_day_and_a_time_beside_are_one_stamp(spark: SparkSession) -> None:
    day = Column("Date", "Date", ("1/2/19", "1/15/19"))
    time = Column("Time", "Time", ("9:05 PM", "9:05 PM"))
    expression = ordered_at_entry(Choice(day), [day, time]).expression
    given = spark.createDataFrame(list(zip(day.values, time.values, strict=True)), ["Date", "Time"])
    with lenient_analysis(spark, "UTC"):
        found = given.selectExpr(f"cast({expression} as string) at").collect()
    assert [row["at"] for row in found] == ["2019-01-02 21:05:00", "2019-01-15 21:05:00"]
