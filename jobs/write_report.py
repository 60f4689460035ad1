"""Entry point for spark-submit: jobs/write_report.py --config FILE ..."""

from crm_spark.cli import main

if __name__ == "__main__":
    main("write_report")
