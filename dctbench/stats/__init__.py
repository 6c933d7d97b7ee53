"""Robust statistics, sequential tests and change points: functions from numbers to numbers."""
