"""A canary for Flask routes: two implementations of an endpoint, one of them the safe one.

Nothing here knows what the endpoints are about. Read `engine.serve` first.
"""
