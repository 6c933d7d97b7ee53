"""What this computer is and can do: host, GPUs, environment, calibrated ceilings. No torch."""
