"""Entry point for spark-submit: jobs/score_contract_churn.py --config FILE ..."""

from crm_spark.cli import main

if __name__ == "__main__":
    main("score_contract_churn")
