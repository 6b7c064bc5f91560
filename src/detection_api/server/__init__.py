"""The processes that serve: workers of gunicorn and granian, and signals.

The package imports nothing by itself, because gunicorn's master imports two of its modules.
"""
