"""Where a case runs: in a child process of this machine, or elsewhere. The seam is `submit`."""
