"""Entry point for spark-submit: jobs/status.py --config FILE ..."""

from crm_spark.cli import main

if __name__ == "__main__":
    main("status")
