"""The measurement of each metric of a case, one module per metric. They run only in workers."""
