"""Entry point for spark-submit: jobs/replay_rejected.py --config FILE ..."""

from crm_spark.cli import main

if __name__ == "__main__":
    main("replay_rejected")
