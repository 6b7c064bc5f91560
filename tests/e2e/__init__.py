"""The canary's promises under real gunicorn workers, a real PostgreSQL and real faults."""
