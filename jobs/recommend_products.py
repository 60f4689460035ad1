"""Entry point for spark-submit: jobs/recommend_products.py --config FILE ..."""

from crm_spark.cli import main

if __name__ == "__main__":
    main("recommend_products")
