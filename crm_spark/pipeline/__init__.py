"""What every job does around its work, the graph of jobs, what is due, status."""
