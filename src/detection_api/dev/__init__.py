"""The parts of `make run`: embedded servers, a supervisor, the demo factory.

Only commands import this package.
"""
