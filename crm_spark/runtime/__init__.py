"""The run itself: Spark session, summary, cost, progress."""
