"""Entry point for spark-submit: jobs/build_features.py --config FILE ..."""

from crm_spark.cli import main

if __name__ == "__main__":
    main("build_features")
