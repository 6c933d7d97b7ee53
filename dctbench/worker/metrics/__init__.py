"""How each figure of a case is taken: one module per metric, run in the worker only."""
