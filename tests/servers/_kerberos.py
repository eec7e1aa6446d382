"""MIT Kerberos: a realm of its own with one user and one service, and the key table of that service."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from ._process import Daemon, needs, serving
from ._running import HOST, PASSWORD, free_ports, make_folder

KDC = Path("/usr/sbin/krb5kdc")
DATABASE = Path("/usr/sbin/kdb5_util")
ADMIN = Path("/usr/sbin/kadmin.local")
KINIT = Path("/usr/bin/kinit")
REALM = "EXAMPLE.COM"
USER = "alice"
SERVICE = "smtp/localhost"

CLIENT_CONF = """\
[libdefaults]
  default_realm = {realm}
  dns_lookup_kdc = false
  dns_lookup_realm = false
  dns_canonicalize_hostname = false
  rdns = false
  udp_preference_limit = 1
[realms]
  {realm} = {{
    kdc = {host}:{port}
  }}
"""
KDC_CONF = """\
[kdcdefaults]
  kdc_listen = ""
  kdc_tcp_listen = {host}:{port}
[realms]
  {realm} = {{
    database_name = {root}/principal
    key_stash_file = {root}/stash
    acl_file = {root}/acl
    supported_enctypes = aes256-cts:normal
  }}
[logging]
  kdc = FILE:{root}/kdc.log
"""


@dataclass(frozen=True, slots=True)
class Kerberos:
    """A realm whose server runs: the environment that clients and the service want, and who is known."""

    root: Path
    environment: Mapping[str, str]
    principal: str = f"{USER}@{REALM}"
    service: str = SERVICE
    password: str = field(default=PASSWORD, repr=False)

    def get_ticket(self) -> None:
        """Put the user's ticket into the cache that the environment names."""
        subprocess.run(
            [KINIT, self.principal],
            input=f"{self.password}\n",
            env=_with(self.environment),
            text=True,
            check=True,
            stdout=subprocess.DEVNULL,
            timeout=20,
        )


@dataclass(frozen=True, slots=True)
class _Listening:
    """A door that says nothing by itself."""

    address: tuple[str, int]

    def greets(self) -> bool:
        try:
            socket.create_connection(self.address, 1).close()
        except OSError:
            return False
        return True


@contextlib.contextmanager
def kerberos(root: Path) -> Iterator[Kerberos]:
    """Run one Kerberos server below `root`."""
    needs(KDC, DATABASE, ADMIN, KINIT)
    make_folder(root)
    environment = MappingProxyType(
        {
            "KRB5_CONFIG": str(root / "krb5.conf"),
            "KRB5_KDC_PROFILE": str(root / "kdc.conf"),
            "KRB5CCNAME": f"FILE:{root}/cache",
            "KRB5_KTNAME": f"FILE:{root}/keytab",
            "KRB5RCACHENAME": f"file2:{root}/replays",
        }
    )

    def configure(port: int) -> None:
        for name, text in (("krb5.conf", CLIENT_CONF), ("kdc.conf", KDC_CONF)):
            (root / name).write_text(text.format(root=root, realm=REALM, host=HOST, port=port))

    configure(free_ports(1)[0])
    _create(root, environment)

    def launch() -> tuple[Daemon, list[_Listening], Kerberos]:
        [port] = free_ports(1)
        configure(port)
        words = [f"{name}={value}" for name, value in environment.items()]
        daemon = Daemon(["env", *words, KDC, "-n"], folder=root, log=root / "kdc.log")
        return daemon, [_Listening((HOST, port))], Kerberos(root, environment)

    with serving(launch) as server:
        yield server


def _create(root: Path, environment: Mapping[str, str]) -> None:
    commands = (
        [DATABASE, "create", "-s", "-r", REALM, "-P", "master of the tests"],
        [ADMIN, "-r", REALM, "-q", f'addprinc -pw "{PASSWORD}" {USER}'],
        [ADMIN, "-r", REALM, "-q", f"addprinc -randkey {SERVICE}"],
        [ADMIN, "-r", REALM, "-q", f"ktadd -k {root}/keytab {SERVICE}"],
    )
    for command in commands:
        subprocess.run(
            command, env=_with(environment), check=True, stdin=subprocess.DEVNULL, capture_output=True, timeout=30
        )


def _with(environment: Mapping[str, str]) -> dict[str, str]:
    return {**os.environ, **environment}
