"""The marshmallow schemas of parameters and answers; one file per domain."""
