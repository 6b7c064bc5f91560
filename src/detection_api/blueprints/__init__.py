"""The routes, one blueprint per domain; a route declares, and the canary serves."""
