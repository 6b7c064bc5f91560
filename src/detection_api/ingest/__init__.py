"""Carry the event log, the camera file and live statistics into PostgreSQL."""
