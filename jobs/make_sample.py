"""Entry point for spark-submit: jobs/make_sample.py PATH ..."""

from crm_spark.cli import main

if __name__ == "__main__":
    main("make_sample")
