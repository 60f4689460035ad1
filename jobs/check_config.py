"""Entry point for spark-submit: jobs/check_config.py --config FILE ..."""

from crm_spark.cli import main

if __name__ == "__main__":
    main("check_config")
