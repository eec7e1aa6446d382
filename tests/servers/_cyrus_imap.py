"""Cyrus IMAP: mailboxes by IMAP, POP3 and LMTP, and Sieve scripts by ManageSieve; Cyrus SASL is in `_cyrus`."""

from __future__ import annotations

import contextlib
import imaplib
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from ._certificates import Certificate, certificate
from ._process import Daemon, Door, ServerError, needs, serving
from ._running import (
    DOMAIN,
    HOST,
    PASSWORD,
    RECIPIENT,
    SENDER,
    SIZE_LIMIT,
    VARIABLES,
    Running,
    free_ports,
    make_folder,
)

DATABASE_LOADER = Path("/usr/bin/db5.3_load")
USER = "mail"
ADMIN = "admin"
FULL = f"full@{DOMAIN}"
"""A user whose mailbox takes nothing more: LMTP says so after the message, for this one alone."""
OWN = tuple(f"box{number}@{DOMAIN}" for number in range(100))
"""Users whose mailboxes are empty until a test takes one for its own."""
SERVER = f"mail.{DOMAIN}"
MECHANISMS = "PLAIN LOGIN CRAM-MD5 DIGEST-MD5 SCRAM-SHA-1 SCRAM-SHA-256"

IMAPD_CONF = """\
cyrus_user: {user}
cyrus_group: {user}
configdirectory: {root}/state
proc_path: {root}/state/proc
mboxname_lockpath: {root}/state/lock
temp_path: {root}/temporary
defaultpartition: default
partition-default: {root}/mail
sievedir: {root}/sieve
idlesocket: {root}/state/socket/idle
lmtpsocket: {root}/lmtp
notifysocket: {root}/state/socket/notify
sendmail: /bin/false
master_bind_errors_fatal: yes
servername: {server}
virtdomains: userid
defaultdomain: {domain}
unixhierarchysep: yes
admins: {admin}
maxmessagesize: {size}
lmtp_strict_quota: yes
failedloginpause: 0
popminpoll: 0
duplicatesuppression: no
skiplist_unsafe: yes
allowplaintext: {clear}
sasl_pwcheck_method: auxprop
sasl_auxprop_plugin: sasldb
sasl_sasldb_path: {root}/sasldb
sasl_mech_list: {mechanisms}
tls_server_cert: {chain}
tls_server_key: {key}
tls_session_timeout: 0
"""

CYRUS_CONF = """\
START {{
  recover cmd="{programs}/ctl_cyrusdb -C {root}/imapd.conf -r"
}}
SERVICES {{
{services}
}}
DAEMON {{
  idled cmd="{programs}/idled -C {root}/imapd.conf"
}}
"""


@dataclass(frozen=True, slots=True)
class _Service:
    """How one door is served: the program's command line, the scheme of its URL, how it greets."""

    command: str
    scheme: str
    greeting: bytes
    is_strict: bool = False


SERVICES: Mapping[str, _Service] = MappingProxyType(
    {
        "imap": _Service("imapd", "imap", b"* OK "),
        "imap_tls_only": _Service("imapd", "imap", b"* OK ", is_strict=True),
        "imaps": _Service("imapd -s", "imaps", b"* OK "),
        "pop3": _Service("pop3d", "pop3", b"+OK "),
        "pop3_tls_only": _Service("pop3d", "pop3", b"+OK ", is_strict=True),
        "pop3s": _Service("pop3d -s", "pop3s", b"+OK "),
        "sieve": _Service("timsieved", "sieve", b'"IMPLEMENTATION" '),
        "sieve_tls_only": _Service("timsieved", "sieve", b'"IMPLEMENTATION" ', is_strict=True),
        "lmtp": _Service("lmtpd -a", "lmtp", b"220 "),
    }
)
"""The TCP doors, by their names in `CyrusImapServer`."""


@dataclass(frozen=True, slots=True)
class CyrusImapServer:
    """The doors of one server, by protocol; those of IMAP, POP3 and ManageSieve that do not begin with TLS offer it.

    What is `tls_only` takes no password in clear text before TLS, only by the mechanisms that hide it.
    `lmtp_socket` is the path of a UNIX socket, LMTP too.
    """

    imap: Running
    imap_tls_only: Running
    imaps: Running
    pop3: Running
    pop3_tls_only: Running
    pop3s: Running
    sieve: Running
    sieve_tls_only: Running
    lmtp: Running
    lmtp_socket: Path

    def of(self, user: str) -> CyrusImapServer:
        """Return the same doors with another user's name, as recipient too; the password is everybody's."""
        doors = {name: _for_user(getattr(self, name), user) for name in SERVICES}
        return CyrusImapServer(**doors, lmtp_socket=self.lmtp_socket)

    def turn_away(self, user: str, text: str) -> None:
        """Serve a user no longer: IMAP says BYE with `text` at the next command or after it, and takes no login."""
        _deny(self.lmtp_socket.parent / "state/user_deny.db", user, text)


def _for_user(door: Running, user: str) -> Running:
    return replace(door, variables=MappingProxyType({**door.variables, "username": user, "recipient": user}))


def programs() -> Path:
    """Return where the installer unpacks Cyrus IMAP; MAILPROOF_SERVERS names another folder for all it unpacks."""
    return Path(os.environ.get("MAILPROOF_SERVERS", "/var/cache/mailproof-servers"), "cyrus/usr/lib/cyrus/bin")


@contextlib.contextmanager
def cyrus_imap(root: Path) -> Iterator[CyrusImapServer]:
    """Run Cyrus IMAP below `root`, with empty mailboxes of alice, bob and `OWN`, and a full one."""
    needs(*(programs() / name for name in ("master", "imapd", "pop3d", "lmtpd", "timsieved", "idled")), DATABASE_LOADER)
    make_folder(root)
    for name in ("state", "state/db", "state/socket", "temporary", "mail", "sieve"):
        make_folder(root / name, USER, USER)
    files = certificate(root)
    shutil.chown(files.key, USER, USER)
    _write_passwords(root / "sasldb")
    _put(root / "state/user_deny.db", b"")
    for name, clear in (("imapd", "yes"), ("strict", "no")):
        (root / f"{name}.conf").write_text(_imapd_conf(root, files, clear))

    def launch() -> tuple[Daemon, list[Door], CyrusImapServer]:
        ports = dict(zip(SERVICES, free_ports(len(SERVICES)), strict=True))
        daemon = _start(root, ports)
        doors = [
            Door((HOST, ports[name]), service.greeting, has_tls=service.scheme in ("imaps", "pop3s"))
            for name, service in SERVICES.items()
        ]
        return daemon, [*doors, Door(str(root / "lmtp"))], _describe(root, files.ca, ports)

    with serving(launch) as server:
        _create_mailboxes(server.imap)
        yield server


def _write_passwords(database: Path) -> None:
    """Write what Cyrus SASL looks passwords up in: user, realm and property are one key, with zero octets between them.

    The realm is the server's name, as Cyrus IMAP takes the default domain off before it asks.
    """
    users = [name.partition("@")[0] for name in (SENDER, RECIPIENT, FULL, *OWN, ADMIN)]
    text = "".join(f"{user}\\00{SERVER}\\00userPassword\n{PASSWORD}\n" for user in users)
    subprocess.run([DATABASE_LOADER, "-T", "-t", "hash", database], input=text, text=True, check=True, timeout=20)
    shutil.chown(database, USER, USER)


def _deny(database: Path, user: str, text: str) -> None:
    """Add a line to what is asked before every command. Cyrus's own program for it kills the user's connections too."""
    name = user.partition("@")[0].encode()
    _put(database, database.read_bytes() + name + b"\t2\xff\x89*\xff\x89" + text.encode() + b"\n")


def _put(file: Path, content: bytes) -> None:
    """Put a new file in the place of one, which nobody sees half written."""
    made = file.with_suffix(".new")
    made.write_bytes(content)
    shutil.chown(made, USER, USER)
    made.replace(file)


def _imapd_conf(root: Path, files: Certificate, clear: str) -> str:
    return IMAPD_CONF.format(
        root=root,
        user=USER,
        server=SERVER,
        domain=DOMAIN,
        admin=ADMIN,
        size=SIZE_LIMIT,
        clear=clear,
        mechanisms=MECHANISMS,
        chain=files.chain,
        key=files.key,
    )


def _start(root: Path, ports: Mapping[str, int]) -> Daemon:
    lines = [_service(root, name, f"{HOST}:{port}") for name, port in ports.items()]
    lines.append(_service(root, "lmtp", str(root / "lmtp"), "lmtpunix"))
    config = root / "cyrus.conf"
    config.write_text(CYRUS_CONF.format(root=root, programs=programs(), services="\n".join(lines)))
    command = [*_environment(), programs() / "master", "-C", root / "imapd.conf", "-M", config]
    command += ["-p", root / "master.pid", "-L", root / "log"]
    return Daemon(command, folder=root, log=root / "log")


def _environment() -> list[str | Path]:
    """Return the beginning of a command that makes the programs find their libraries, which lie beside them."""
    [libraries] = programs().parents[1].glob("*-linux-gnu")
    return ["env", f"LD_LIBRARY_PATH={libraries}"]


def _service(root: Path, name: str, listen: str, title: str = "") -> str:
    service = SERVICES[name]
    program, _, options = service.command.partition(" ")
    config = root / ("strict.conf" if service.is_strict else "imapd.conf")
    title = title or name.replace("_", "")
    return f'  {title} cmd="{programs()}/{program} -C {config} {options}" listen="{listen}"'


def _describe(root: Path, ca: Path, ports: Mapping[str, int]) -> CyrusImapServer:
    variables = MappingProxyType({**VARIABLES, "full": FULL})
    doors = {}
    for name, port in ports.items():
        url = f"{SERVICES[name].scheme}://{HOST}:{port}"
        doors[name] = Running(f"cyrus {name}", HOST, port, str(ca), url, root / "log", variables)
    return CyrusImapServer(**doors, lmtp_socket=root / "lmtp")


def _create_mailboxes(imap: Running) -> None:
    with imaplib.IMAP4(imap.host, imap.port, timeout=10) as client:
        client.login(ADMIN, PASSWORD)
        for answer, data in (
            *(client.create(f"user/{name}") for name in (SENDER, RECIPIENT, FULL, *OWN)),
            client.setquota(f"user/{FULL}", "(STORAGE 0)"),
        ):
            if answer != "OK":
                raise ServerError(f"cannot create the mailboxes: {data}")
