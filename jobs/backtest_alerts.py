"""Entry point for spark-submit: jobs/backtest_alerts.py --config FILE ..."""

from crm_spark.cli import main

if __name__ == "__main__":
    main("backtest_alerts")
