"""A JSON report keeps what was recorded."""

from tests.rollout.report.conftest import HOSTILE, Reported


def test_json_keeps_what_clients_wrote(broken: Reported) -> None:
    assert HOSTILE in str(broken.data()) or "<script>alert(1)</script>|`x`" in str(broken.data())
