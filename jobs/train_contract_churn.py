"""Entry point for spark-submit: jobs/train_contract_churn.py --config FILE ..."""

from crm_spark.cli import main

if __name__ == "__main__":
    main("train_contract_churn")
