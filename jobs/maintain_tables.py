"""Entry point for spark-submit: jobs/maintain_tables.py --config FILE ..."""

from crm_spark.cli import main

if __name__ == "__main__":
    main("maintain_tables")
