"""Entry point for spark-submit: jobs/check_outcomes.py --config FILE ..."""

from crm_spark.cli import main

if __name__ == "__main__":
    main("check_outcomes")
