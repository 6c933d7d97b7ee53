"""A case over several devices: the worker is its rank 0, and starts the other ranks as child processes.

Every rank runs `member.Member`, which does what rank 0 tells all of them: time calls, check their outputs, measure
memory. The stopwatches start together, and a time is that of the slowest rank.
"""
