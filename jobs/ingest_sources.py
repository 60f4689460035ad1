"""Entry point for spark-submit: jobs/ingest_sources.py --config FILE ..."""

from crm_spark.cli import main

if __name__ == "__main__":
    main("ingest_sources")
