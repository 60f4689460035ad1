"""crm_spark: Spark batch jobs that turn purchase records into decisions about customers."""

__version__ = "0.1.0"
