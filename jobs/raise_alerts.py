"""Entry point for spark-submit: jobs/raise_alerts.py --config FILE ..."""

from crm_spark.cli import main

if __name__ == "__main__":
    main("raise_alerts")
