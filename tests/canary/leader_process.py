"""A worker as a process: says each time it asks whether it leads the fleet."""

import sys
import threading

from detection_api.canary.state.postgres.store import PostgresStore
from detection_api.db.pool import bound_waits
from tests.canary.stores import pool_of

bound_waits()
store = PostgresStore(pool_of(sys.argv[1]).connection)
while True:
    print(store.lead(), flush=True)  # noqa: T201
    threading.Event().wait(0.5)
