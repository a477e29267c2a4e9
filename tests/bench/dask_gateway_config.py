"""The settings of the dask-gateway-server that the benchmark measures: its local backend, and two more ways to start.

It is executed by that server, which puts ``c`` there; ports and folder come by the environment.
"""

import os
import sys

from dask_gateway_server.options import Bool, Options

PROGRAM = (sys.executable, "-m")
WORKER = (*PROGRAM, "distributed.cli.dask_worker")


def configure(options):
    """Return what the choices of a cluster's user mean."""
    chosen = {}
    if options.bare_workers:
        chosen["worker_cmd"] = [*WORKER, "--no-dashboard"]
    if options.light:
        chosen["scheduler_cmd"] = [sys.executable, os.environ["BENCH_LIGHT_SCHEDULER"]]
    return chosen


c = get_config()  # noqa: F821 - the server's
c.DaskGateway.backend_class = "dask_gateway_server.backends.local.UnsafeLocalBackend"
c.DaskGateway.authenticator_class = "dask_gateway_server.auth.SimpleAuthenticator"
c.DaskGateway.address = f"127.0.0.1:{os.environ['BENCH_API_PORT']}"
c.DaskGateway.log_level = "INFO"  # as its Helm chart has it, and as our service has it
c.Proxy.address = f"127.0.0.1:{os.environ['BENCH_HTTP_PORT']}"
c.Proxy.tcp_address = f"127.0.0.1:{os.environ['BENCH_TLS_PORT']}"
c.UnsafeLocalBackend.clusters_directory = os.environ["BENCH_FOLDER"]
c.Backend.cluster_options = Options(
    Bool("bare_workers", default=False, label="Workers without dashboard"),
    Bool("light", default=False, label="A stand-in for the scheduler"),
    handler=configure,
)
# Its defaults are the console scripts, which distributed has no more.
c.ClusterConfig.scheduler_cmd = [*PROGRAM, "distributed.cli.dask_scheduler"]
c.ClusterConfig.worker_cmd = list(WORKER)
c.ClusterConfig.idle_timeout = 600
