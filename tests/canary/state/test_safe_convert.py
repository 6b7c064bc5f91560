"""Several threads meet a type at once: in processes of their own, for msgspec would end ours."""

import subprocess
import sys

import pytest

PRELUDE = """
import sys, threading
from dataclasses import make_dataclass
from marshmallow import Schema, fields
from detection_api.canary.contract.encoder import Contract
from detection_api.canary.state.safe_convert import convert

NAMES = [f"part_{number}" for number in range(10)]
VALUE = {name: {"count": 1} for name in NAMES}
sys.setswitchinterval(1e-6)

def at_once(work):
    start = threading.Barrier(4)
    def run():
        start.wait()
        work()
    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
"""
CONTRACTS = """
for _ in range(200):
    parts = {name: fields.Nested({"count": fields.Integer()}) for name in NAMES}
    contract = Contract(Schema.from_dict(parts))
    at_once(lambda: contract.encode(VALUE))
"""
RECORDS = """
for _ in range(1000):
    kinds = [(name, make_dataclass(name, [("count", int)])) for name in NAMES]
    record = make_dataclass("record", kinds)
    at_once(lambda: convert(VALUE, record))
"""


@pytest.mark.parametrize("first_uses", [CONTRACTS, RECORDS], ids=["contract", "convert"])
def test_threads_that_meet_a_type_at_once_do_not_end_the_process(first_uses: str) -> None:
    done = subprocess.run([sys.executable, "-c", PRELUDE + first_uses], check=False)
    assert done.returncode == 0
