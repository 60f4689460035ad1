"""Entry point for spark-submit: jobs/score_next_purchase.py --config FILE ..."""

from crm_spark.cli import main

if __name__ == "__main__":
    main("score_next_purchase")
