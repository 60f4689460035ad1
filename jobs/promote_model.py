"""Entry point for spark-submit: jobs/promote_model.py --config FILE ..."""

from crm_spark.cli import main

if __name__ == "__main__":
    main("promote_model")
