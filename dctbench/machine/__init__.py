"""Facts about this computer: host, GPUs, environment, contention, calibrated ceilings. Nothing here imports torch."""
