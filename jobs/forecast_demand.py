"""Entry point for spark-submit: jobs/forecast_demand.py --config FILE ..."""

from crm_spark.cli import main

if __name__ == "__main__":
    main("forecast_demand")
