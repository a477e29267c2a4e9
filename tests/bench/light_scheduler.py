"""What starts in place of a scheduler where fifty are listed: as many real ones would leave nothing of two cores.

To each gateway it is what that one looks for: dask-gateway-server is told by heartbeats, every 15 s as its own preload
does; spawnpenny asks a control API.
"""

from __future__ import annotations

import json
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.request import Request, urlopen

STATE = {"workers": {}, "idle": 0, "alone": 0, "clients": 0, "target": 0, "versions": {}}
HEARTBEAT = {
    "scheduler_address": "tls://127.0.0.1:9",
    "dashboard_address": "http://127.0.0.1:9",
    "api_address": "http://127.0.0.1:9",
    "count": 0,
    "active_workers": [],
    "closing_workers": [],
    "closed_workers": [],
}
PERIOD = 15


class Control(BaseHTTPRequestHandler):
    """Answers every question with a state in which nothing happens."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = json.dumps(STATE).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Say nothing."""


def beat():
    """Tell dask-gateway-server, until it is gone, that the scheduler runs."""
    url = f"{os.environ['DASK_GATEWAY_API_URL']}/v1/clusters/{os.environ['DASK_GATEWAY_CLUSTER_NAME']}/heartbeat"
    headers = {
        "Authorization": f"token {os.environ['DASK_GATEWAY_API_TOKEN']}",
        "Content-Type": "application/json",
    }
    pause = threading.Event()
    while True:
        with urlopen(Request(url, json.dumps(HEARTBEAT).encode(), headers)):
            pause.wait(PERIOD)


if __name__ == "__main__":
    if "DASK_GATEWAY_API_URL" in os.environ:
        beat()
    else:
        ThreadingHTTPServer((os.environ["SPAWNPENNY_POD_IP"], 8788), Control).serve_forever()
