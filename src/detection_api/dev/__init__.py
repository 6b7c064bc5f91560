"""What `make run` needs: embedded servers, a supervisor, the demo factory.

Only commands import this package.
"""
