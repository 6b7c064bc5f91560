"""The routes, a blueprint per domain; each route declares, the canary serves."""
