"""`python -m crm_spark JOB`: the same command line as `crm-spark`."""

from crm_spark.cli import main

if __name__ == "__main__":
    main()
