"""A real control plane for tests: etcd, kube-apiserver and kube-controller-manager on loopback, with no node.

The programs come from the folder that ``KUBEBUILDER_ASSETS`` names, as ``setup-envtest`` makes it.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import uuid
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

import psutil

from spawnpenny.testing.audit import POLICY, AuditEntry, AuditLog
from spawnpenny.testing.discovery import Discovery
from spawnpenny.testing.pki import Pki
from spawnpenny.testing.ports import LOOPBACK, free_ports
from spawnpenny.testing.processes import Processes

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator
    from types import TracebackType

    from spawnpenny.kubernetes.interface import Manifest

ASSETS: Final = "KUBEBUILDER_ASSETS"
ADMIN: Final = "admin"
ADMIN_GROUP: Final = "system:masters"
MARKER: Final = "spawnpenny-testing/mark"

_SERVICES: Final = "10.96.0.0/16"
_NAMES: Final = (LOOPBACK, "10.96.0.1", "localhost", "kubernetes.default.svc")
_SHM: Final = Path("/dev/shm")  # noqa: S108 - folders in it are made by mkdtemp
_ROOM: Final = 1 << 30  # etcd writes its log in pieces of 64 MB, and a full disk ends it
_HTTP_OK: Final = 200
_HTTP_NOT_FOUND: Final = 404
_INSECURE_PORT_GONE: Final = (1, 24)


class ApiServer:
    """A control plane that runs for as long as the context lasts.

    Attributes:
        url: Where the API is served.
        ca: The file of the authority that signed its certificate.
        kubeconfig: A file with which one may do everything.
        discovery: Its version, and the resources that it serves.

    """

    url: str
    ca: Path
    kubeconfig: Path
    discovery: Discovery

    def __init__(self, assets: str | Path | None = None) -> None:
        """Take the programs from ``assets``, or from the folder that ``KUBEBUILDER_ASSETS`` names."""
        self._assets = Path(assets or os.environ[ASSETS])
        self._stack = ExitStack()
        self._ports = dict(zip(("api", "etcd", "peer", "kcm"), free_ports(4), strict=True))

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._folder = stack.enter_context(_own_folder(Path(tempfile.gettempdir()), "spawnpenny-api-"))
            self._start(stack)
            self._stack = stack.pop_all()  # all went well: keep it
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def kubeconfig_for(self, user: str, group: str | None = None) -> Path:
        """Write a kubeconfig for a user, who has the rights that RBAC gives and no others.

        The user ``system:serviceaccount:<namespace>:<name>`` has those of a service account.
        """
        return self._pki.kubeconfig(self.url, user, group)

    def ssl_context(self, user: str = ADMIN, group: str | None = ADMIN_GROUP) -> ssl.SSLContext:
        """Return what an HTTP client needs to speak to the API as a user, without a kubeconfig."""
        return self._pki.trust(*self._pki.client(user, group))

    def server_context(self) -> ssl.SSLContext:
        """Return what another server on loopback needs whom the clients of this one are to trust."""
        return self._pki.serve(*self._pki.server("loopback", LOOPBACK, "localhost"))

    def save(self, folder: Path) -> None:
        """Copy the store into a new folder, as a backup; the API is away meanwhile."""
        self._processes.end("etcd", signal.SIGTERM)
        shutil.copytree(self._data, folder)
        self._processes.start("etcd", self._etcd(self._data))
        self._processes.wait_until(lambda: self._answers("/readyz"), "kube-apiserver")

    def restore(self, folder: Path) -> None:
        """Put back a store that was saved: all that happened since then has never been."""
        for name in ("kube-controller-manager", "kube-apiserver", "etcd"):
            self._processes.end(name)
        for entry in self._data.iterdir():
            shutil.rmtree(entry)
        shutil.copytree(folder, self._data, dirs_exist_ok=True)
        self._run()

    def audit_position(self) -> int:
        """Return a position in the audit log, after everything that was answered before this call."""
        # An entry is written just after its request was answered: two calls of our own give that time.
        for _ in range(2):
            marker = str(uuid.uuid4())
            self._get("/version", {"Audit-ID": marker, "User-Agent": MARKER})
            logged = partial(self._audit.has, marker)
            self._processes.wait_until(logged, "The audit log")
        return self._audit.size()

    def audit(self, since: int = 0, *, user_agent: str = "") -> list[AuditEntry]:
        """Return the requests since a position, up to now, of clients whose User-Agent begins so."""
        until = self.audit_position()
        entries = self._audit.entries(since, until)
        return [e for e in entries if e.user_agent != MARKER and e.user_agent.startswith(user_agent)]

    def _start(self, stack: ExitStack) -> None:
        self.url = f"https://{LOOPBACK}:{self._ports['api']}"
        self._pki = Pki(self._folder / "pki")
        self.ca = self._pki.ca
        self.kubeconfig = self.kubeconfig_for(ADMIN, ADMIN_GROUP)
        self._client = self.ssl_context()
        self.discovery = Discovery(self._json)
        self._audit = AuditLog(self._folder / "audit.log")
        self._data = stack.enter_context(_data_folder(self._folder))
        self._processes = stack.enter_context(Processes(self._folder))
        self._run()

    def _run(self) -> None:
        self._processes.start("etcd", self._etcd(self._data))
        self._processes.start("kube-apiserver", self._apiserver())
        self._processes.wait_until(lambda: self._answers("/readyz"), "kube-apiserver")
        self._processes.start("kube-controller-manager", self._controller_manager())
        account = "/api/v1/namespaces/default/serviceaccounts/default"
        self._processes.wait_until(lambda: self._answers(account), "kube-controller-manager")

    def _etcd(self, data: Path) -> list[str]:
        client, peer = (f"http://{LOOPBACK}:{self._ports[name]}" for name in ("etcd", "peer"))
        return [
            str(self._assets / "etcd"),
            "--name=test",
            f"--data-dir={data}",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=test={peer}",
            "--log-level=warn",
            "--logger=zap",
        ]

    def _apiserver(self) -> list[str]:
        policy = self._folder / "audit-policy.json"
        policy.write_text(json.dumps(POLICY))
        certificate, key = self._pki.server("apiserver", *_NAMES)
        kubelet_certificate, kubelet_key = self._pki.client("kube-apiserver-kubelet-client", ADMIN_GROUP)
        self._account_key = self._pki.key("service-accounts")
        return [
            str(self._assets / "kube-apiserver"),
            f"--etcd-servers=http://{LOOPBACK}:{self._ports['etcd']}",
            f"--bind-address={LOOPBACK}",
            f"--advertise-address={LOOPBACK}",
            f"--secure-port={self._ports['api']}",
            f"--cert-dir={self._folder / 'generated'}",
            f"--tls-cert-file={certificate}",
            f"--tls-private-key-file={key}",
            f"--client-ca-file={self.ca}",
            f"--kubelet-client-certificate={kubelet_certificate}",
            f"--kubelet-client-key={kubelet_key}",
            "--kubelet-preferred-address-types=InternalIP",
            "--authorization-mode=RBAC",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={self._account_key}",
            f"--service-account-signing-key-file={self._account_key}",
            f"--service-cluster-ip-range={_SERVICES}",
            "--endpoint-reconciler-type=none",
            "--allow-privileged=true",
            "--profiling=false",
            f"--audit-policy-file={policy}",
            f"--audit-log-path={self._folder / 'audit.log'}",
            "--audit-log-mode=blocking",
        ]

    def _controller_manager(self) -> list[str]:
        program = str(self._assets / "kube-controller-manager")
        argv = [
            program,
            f"--kubeconfig={self.kubeconfig_for('system:kube-controller-manager')}",
            f"--bind-address={LOOPBACK}",
            f"--secure-port={self._ports['kcm']}",
            f"--cert-dir={self._folder / 'generated-kcm'}",
            "--leader-elect=false",
            "--use-service-account-credentials=true",
            f"--service-account-private-key-file={self._account_key}",
            f"--root-ca-file={self.ca}",
            f"--service-cluster-ip-range={_SERVICES}",
            "--node-monitor-grace-period=24h",  # a hollow node sends no heartbeats
            "--profiling=false",
            "--kube-api-qps=500",
            "--kube-api-burst=1000",
            "--resource-quota-sync-period=5s",
            "--namespace-sync-period=5s",
            "--pvclaimbinder-sync-period=1s",
            "--concurrent-namespace-syncs=20",
            "--concurrent-resource-quota-syncs=20",
            "--concurrent-serviceaccount-token-syncs=20",
        ]
        return [*argv, "--port=0"] if _version(program) < _INSECURE_PORT_GONE else argv

    def _answers(self, path: str) -> bool:
        try:
            return self._get(path)[0] == _HTTP_OK
        except (OSError, http.client.HTTPException):
            return False

    def _json(self, path: str) -> Manifest | None:
        status, body = self._get(path)
        if status == _HTTP_NOT_FOUND:
            return None
        found: Manifest = json.loads(body)
        return found

    def _get(self, path: str, headers: dict[str, str] | None = None) -> tuple[int, bytes]:
        # Not urllib: that would ask the environment for a proxy.
        connection = http.client.HTTPSConnection(LOOPBACK, self._ports["api"], context=self._client, timeout=10)
        try:
            connection.request("GET", path, headers=headers or {"User-Agent": MARKER})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()


@contextmanager
def _data_folder(otherwise: Path) -> Iterator[Path]:
    """Give a folder for etcd: in memory where there is room, as it waits for each write to be on disk."""
    if not (os.access(_SHM, os.W_OK) and shutil.disk_usage(_SHM).free > _ROOM):
        yield otherwise / "etcd"
        return
    with _own_folder(_SHM, "spawnpenny-etcd-") as folder:
        yield folder


@contextmanager
def _own_folder(parent: Path, prefix: str) -> Iterator[Path]:
    """Give a folder for as long as the context lasts, and remove those of test runs that were killed."""
    for left in parent.glob(f"{prefix}*"):
        pid = left.name.removeprefix(prefix).partition("-")[0]
        with suppress(OSError):
            if pid.isdigit() and left.stat().st_uid == os.getuid() and not psutil.pid_exists(int(pid)):
                shutil.rmtree(left)
    with tempfile.TemporaryDirectory(prefix=f"{prefix}{os.getpid()}-", dir=parent) as folder:
        yield Path(folder)


def _version(program: str) -> tuple[int, int]:
    output = subprocess.run([program, "--version"], capture_output=True, check=True, text=True).stdout  # noqa: S603 - one of ours
    found = re.search(r"v(\d+)\.(\d+)", output)
    if not found:
        raise RuntimeError(f"{program} does not tell its version, but {output!r}")
    return int(found[1]), int(found[2])
