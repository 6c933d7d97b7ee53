"""What a bundle carries to a target without torch and without dctbench.

`target.py` is a program of its own, which imports nothing of dctbench; a bundle has a copy of it as `run.py`.
"""
