"""Ask a running instance for all seven endpoints in both arms; exit 1 unless all have data."""

import json
import sys
import time
import urllib.error
import urllib.request

ENDPOINTS = {
    "/api/v1/records/detection-records/cam0": "records",
    "/api/v1/records/violations/1": "id",
    "/api/v1/statistics/daily": 0,
    "/api/v1/statistics/events": "events",
    "/api/v1/statistics/history?minutes=1440": 0,
    "/api/v1/cameras": "cameras",
    "/api/v1/cameras/cam0/stats": "stats",
}
BOOT_SECONDS = 120


def wait_until_ready(base: str) -> None:
    """Return once the instance is healthy; raises TimeoutError after two minutes."""
    deadline = time.monotonic() + BOOT_SECONDS
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"{base}/api/v1/monitoring/health") as answer:
                print(f"healthy: {answer.read().decode()}")
                return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.5)
    raise TimeoutError(f"{base} is not healthy after {BOOT_SECONDS} s")


def verify(base: str, path: str, member: str | int, arm: str) -> bool:
    """Ask `arm` for `path`; whether that arm itself answered, with data."""
    separator = "&" if "?" in path else "?"
    force = {"domain": "true", "legacy": "false"}[arm]
    with urllib.request.urlopen(f"{base}{path}{separator}force_domain={force}") as answer:
        body = json.load(answer)
        who = answer.headers["X-Canary"]
    filled = bool(body) and bool(body[member])
    print(f"{'ok  ' if filled and who.startswith(arm) else 'FAIL'} {who:30} {path}")
    return filled and who == f"{arm}; reason=forced"


def main(base: str) -> int:
    """Verify all endpoints in both arms; 0 when every one answers with data."""
    wait_until_ready(base)
    results = [
        verify(base, path, member, arm)
        for path, member in ENDPOINTS.items()
        for arm in ("legacy", "domain")
    ]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
