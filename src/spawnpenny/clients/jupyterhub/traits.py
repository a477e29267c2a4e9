"""Configurable traits of the spawner, for jupyterhub_config.py."""

from __future__ import annotations

import os
from typing import Any

from traitlets import Bool, Float, HasTraits, Integer, List, Unicode, default


class SpawnpennyTraits(HasTraits):
    """The traits of the spawner that are not JupyterHub's own, and those of JupyterHub's that have another default."""

    url = Unicode(
        help="""
        Where the spawnpenny service answers, such as `http://spawnpenny.spawnpenny:8080`.

        Default: the environment variable SPAWNPENNY_URL.
        """,
    ).tag(config=True)

    token = Unicode(
        help="""
        The Hub's own token for the service. Better is `token_file`, which is no part of the configuration.

        It needs the scopes `read:any` and `delete:any`; where `auth_state_field` is not set, `spawn:any` as well; for
        `purge_storage` the scope `purge`, and for `retire_users` the scope `commission`.

        Default: the environment variable SPAWNPENNY_TOKEN.
        """,
    ).tag(config=True)

    token_file = Unicode(
        help="""
        A file that holds the Hub's own token, instead of `token`.

        It is read each time that the token is needed, so that a mounted Secret can be changed while the Hub runs.
        """,
    ).tag(config=True)

    ca_file = Unicode(
        help="""
        A file with the certificates (PEM) of the authorities that sign the service's certificate, for a `url` of https.

        It is read when the Hub first calls the service. Default: the authorities that the system trusts.
        """,
    ).tag(config=True)

    hub_name = Unicode(
        help="""
        What this Hub calls itself in the service, at most 200 characters.

        Where several Hubs use one service, a server that one of them started is never replaced by another: a user who
        starts it there reads the name of the Hub that has it.

        Default: `JupyterHub` and `hub_connect_url`, of the spawner or of JupyterHub; none where neither is set.
        """,
    ).tag(config=True)

    auth_state_field = Unicode(
        help="""
        Where in a user's `auth_state` the credential is with which the user's servers are created, such as
        `access_token`; dots go deeper, as in `tokens.access`.

        With it, a server is created with the user's own authority: the Hub's token needs no `spawn:any`, and whoever
        takes the Hub over starts servers only for users whose credentials it holds. The service has to know these
        credentials (OpenID Connect, for instance), and the authenticator has to have `enable_auth_state`. A user who
        has no credential there gets no server, and is told to log in again: the Hub's token never takes its place.

        All else (looking, following, stopping) is done with the Hub's own token.

        Default: not set, and servers are created with the Hub's own token, which needs the scope `spawn:any`.
        """,
    ).tag(config=True)

    patience = Float(
        30.0,
        min=0,
        help="""
        Seconds in which a call to the service is tried again when it does not answer, or says to come back later.

        A server that was accepted is waited for until `start_timeout`, whether or not the service answers meanwhile.
        """,
    ).tag(config=True)

    stop_timeout = Float(
        300.0,
        min=0,
        help="""
        Seconds in which a server has to be gone once it is stopped, beside its grace period, which the service says.
        Until then, stopping it is tried again and again.

        After that the Hub takes it for stopped. What the service still has of it goes when the server is next started.
        """,
    ).tag(config=True)

    purge_storage = Bool(
        True,
        help="""
        Whether a server's storage is deleted when the server, or its user, is deleted from the Hub.

        It is deleted only if the Hub's token has the scope `purge`, which has to be given by name; without it the
        storage is kept, and the Hub's log says so. Stopping a server never deletes anything.
        """,
    ).tag(config=True)

    retire_users = Bool(
        False,
        help="""
        Whether a user is retired in the service when the user is deleted from the Hub: the site's `retire` order runs,
        and the user's namespace goes. The Hub's token needs the scope `commission`.
        """,
    ).tag(config=True)

    allow_rename = Bool(
        False,
        help="""
        Whether a named server may be renamed (JupyterHub 6). Its display name can always be changed.

        A server that has storage of its own leaves it behind with its old name. Allow it where users' storage is
        shared by their servers, or where servers have none.
        """,
    ).tag(config=True)

    ip = Unicode(
        "0.0.0.0",  # noqa: S104 - in the pod
        help="The address at which the server listens in its pod.",
    ).tag(config=True)

    port = Integer(
        8888,
        help="The port at which the server listens in its pod: that of `plugins.lab.port` in the service's settings.",
    ).tag(config=True)

    start_timeout = Integer(
        300,
        help="""
        Seconds in which a server has to run. The service is told, and gives up 5 seconds earlier, to say why.
        """,
    ).tag(config=True)

    env_keep = List(
        Unicode(),
        help="Environment variables of the Hub that are passed on to servers. Default: none.",
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
