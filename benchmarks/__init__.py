"""Measure speed as ratios of two systems that run side by side."""
