"""The new implementations (domain), which read PostgreSQL and know nothing of HTTP."""
