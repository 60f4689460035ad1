"""Jobs: one module each, with run(spark, config, as_of) -> RunSummary."""
