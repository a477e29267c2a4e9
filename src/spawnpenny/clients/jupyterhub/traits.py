"""Traits of the spawner that jupyterhub_config.py can set."""

from __future__ import annotations

import os
from typing import Any

from traitlets import Bool, Float, HasTraits, Integer, List, Unicode, default


class SpawnpennyTraits(HasTraits):
    """Traits that JupyterHub does not have, and JupyterHub's traits with other defaults."""

    url = Unicode(
        help="""
        The URL of the spawnpenny service, such as `http://spawnpenny.spawnpenny:8080`.

        Default: the environment variable SPAWNPENNY_URL.
        """,
    ).tag(config=True)

    token = Unicode(
        help="""
        The Hub's own token for the service. Prefer `token_file`, which keeps the token out of the configuration.

        The token needs the scopes `read:any` and `delete:any`. Without `auth_state_field` it also needs `spawn:any`,
        for `purge_storage` the scope `purge`, and for `retire_users` the scope `commission`.

        Default: the environment variable SPAWNPENNY_TOKEN.
        """,
    ).tag(config=True)

    token_file = Unicode(
        help="""
        A file with the Hub's own token, instead of `token`.

        The Hub reads it whenever it needs the token, so that a mounted Secret can change while the Hub runs.
        """,
    ).tag(config=True)

    ca_file = Unicode(
        help="""
        A file with the certificates (PEM) of the authorities that sign the service's certificate, for an `https` URL.

        The Hub reads it with its first request to the service. Default: the authorities that the system trusts.
        """,
    ).tag(config=True)

    hub_name = Unicode(
        help="""
        The name of this Hub in the service, at most 200 characters.

        If several Hubs use one service, no Hub replaces a server that another Hub started. The error message for the
        user has the name of the other Hub.

        Default: `JupyterHub` and the `hub_connect_url` of the spawner or of JupyterHub; no name if neither is set.
        """,
    ).tag(config=True)

    auth_state_field = Unicode(
        help="""
        The path in a user's `auth_state` of the credential that starts the user's servers, such as `access_token`.
        Dots separate the parts of the path, as in `tokens.access`.

        With it, servers start with the user's own rights. The Hub's token needs no `spawn:any`, and an attacker in the
        Hub can only start servers of users whose credentials the Hub has. The service has to accept these credentials,
        for instance by OpenID Connect, and the authenticator needs `enable_auth_state`. A user without a credential
        gets no server, and is asked to log in again. The Hub's own token never replaces the credential.

        The Hub reads, follows and stops servers with its own token.

        Default: not set. The Hub's own token starts the servers, and needs the scope `spawn:any`.
        """,
    ).tag(config=True)

    patience = Float(
        30.0,
        min=0,
        help="""
        Seconds for which a request is repeated if the service does not answer, or says to come back later.

        After the service has accepted a start, the Hub waits until `start_timeout`, even if it gets no answers.
        """,
    ).tag(config=True)

    stop_timeout = Float(
        300.0,
        min=0,
        help="""
        Seconds within which a stopped server has to be gone, beside its grace period. Until then, the Hub repeats the
        request to stop it.

        After that the Hub treats the server as stopped. The service deletes the rest when the server starts again.
        """,
    ).tag(config=True)

    purge_storage = Bool(
        True,
        help="""
        Whether a server's storage is deleted when the server, or its user, is deleted from the Hub.

        This needs the scope `purge` on the Hub's token, which no other scope includes. Without it the storage is kept,
        and the Hub's log says so. Stopping a server never deletes storage.
        """,
    ).tag(config=True)

    retire_users = Bool(
        False,
        help="""
        Whether a user is retired in the service when the user is deleted from the Hub: the site's `retire` order runs,
        and the user's namespace is deleted. The Hub's token needs the scope `commission`.
        """,
    ).tag(config=True)

    allow_rename = Bool(
        False,
        help="""
        Whether a named server may be renamed (JupyterHub 6). Its display name can always be changed.

        The storage of a server keeps the old name. Allow renaming only if all servers of a user share their storage, or
        if servers have no storage.
        """,
    ).tag(config=True)

    ip = Unicode(
        "0.0.0.0",  # noqa: S104 - in the pod
        help="The address at which the server listens in its pod.",
    ).tag(config=True)

    port = Integer(
        8888,
        help="The port at which the server listens in its pod: `plugins.lab.port` in the service's settings.",
    ).tag(config=True)

    start_timeout = Integer(
        300,
        help="""
        Seconds within which a server has to run. The service gives up 5 seconds earlier, so that it can say why.
        """,
    ).tag(config=True)

    env_keep = List(
        Unicode(),
        help="Environment variables of the Hub that servers get. Default: none.",
    ).tag(config=True)

    @default("url")
    def _url_of_environment(self) -> str:
        return os.environ.get("SPAWNPENNY_URL", "")

    @default("token")
    def _token_of_environment(self) -> str:
        return os.environ.get("SPAWNPENNY_TOKEN", "")

    @default("env_keep")
    def _keep_nothing(self) -> list[Any]:
        return []
