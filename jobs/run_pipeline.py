"""Entry point for spark-submit: jobs/run_pipeline.py --config FILE ..."""

from crm_spark.cli import main

if __name__ == "__main__":
    main("run_pipeline")
