"""Entry point for spark-submit: jobs/draft_config.py PATH ..."""

from crm_spark.cli import main

if __name__ == "__main__":
    main("draft_config")
