"""Entry point for spark-submit: jobs/show.py --config FILE ..."""

from crm_spark.cli import main

if __name__ == "__main__":
    main("show")
