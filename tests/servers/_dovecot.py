"""Dovecot: the LMTP server, and the authentication service behind Postfix."""

from __future__ import annotations

import base64
import contextlib
import hmac
import json
import secrets
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from ._process import Daemon, Door, needs, serving
from ._running import DOMAIN, HOST, PASSWORD, RECIPIENT, SENDER, VARIABLES, Running, free_ports, make_folder

PROGRAM = Path("/usr/sbin/dovecot")
LMTP_PROGRAM = Path("/usr/lib/dovecot/lmtp")
FULL = f"full@{DOMAIN}"
"""A recipient whose mailbox takes nothing more: LMTP says so after the message, for this one alone."""
MAIL_USER = "mail"
TOKEN_LIFE = 86_400
"""Seconds until a bearer token expires: longer than any test run."""
KEY = secrets.token_bytes(32)
"""What tokens are signed with: one is good at every server of a test run."""

COMMON = """\
base_dir = {root}/run
state_dir = {root}/state
log_path = {root}/log
listen = {host}
hostname = mail.{domain}
protocols = {protocols}
auth_verbose = yes
auth_failure_delay = 0
auth_username_format = %Lu
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
"""

AUTH = """\
ssl = no
auth_mechanisms = plain login cram-md5 scram-sha-1 scram-sha-256 xoauth2 oauthbearer
{passdb}
userdb {{
  driver = static
  args = uid={user} gid={user} home={root}/mail/%u
}}
service auth {{
  unix_listener {root}/auth {{
    mode = 0666
  }}
}}
"""

# The first authenticates nobody. It says that failures are told at once: with auth_failure_delay = 0 alone they are
# still looked through only twice a second.
PASSDB = """\
passdb {{
  driver = static
  args = noauthenticate=y nodelay=y
}}
passdb {{
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = {root}/oauth2.conf
}}
passdb {{
  {passwords}
}}"""

OAUTH2 = """\
introspection_mode = local
local_validation_key_dict = fs:posix:prefix={root}/keys/
username_attribute = email
"""

LMTP = """\
ssl = no
mail_location = maildir:~/Maildir
first_valid_uid = 1
mail_plugins = quota
plugin {{
  quota = maildir:mailbox
}}
# Nobody logs in here, but the service does not start without one.
passdb {{
  driver = static
  args = nopassword=y
}}
userdb {{
  driver = passwd-file
  args = {root}/users
}}
service lmtp {{
  inet_listener lmtp {{
    address = {host}
    port = {port}
  }}
  unix_listener {root}/lmtp {{
    mode = 0666
  }}
}}
"""


@dataclass(frozen=True, slots=True)
class DovecotServer:
    """One LMTP server with two doors, a loopback port and a UNIX socket (whose `port` is 0)."""

    tcp: Running
    unix: Running


@dataclass(frozen=True, slots=True)
class AuthService:
    """Where Postfix asks about users, and a token that counts as alice's."""

    socket: Path
    token: str


@contextlib.contextmanager
def dovecot_lmtp(root: Path) -> Iterator[DovecotServer]:
    """Run Dovecot's LMTP server below `root`."""
    needs(PROGRAM, LMTP_PROGRAM, user="dovecot")
    make_folder(root)
    make_folder(root / "mail", MAIL_USER, MAIL_USER)
    (root / "users").write_text("".join(mailbox_of(root, name) for name in (SENDER, RECIPIENT, FULL)))

    def launch() -> tuple[Daemon, list[Door], DovecotServer]:
        [port] = free_ports(1)
        path = str(root / "lmtp")
        daemon = start(root, COMMON + LMTP, protocols="lmtp", port=port)
        variables = MappingProxyType({**VARIABLES, "full": FULL})
        tcp = Running("dovecot lmtp", HOST, port, "", f"lmtp://{HOST}:{port}", root / "log", variables)
        unix = Running("dovecot lmtp unix", path, 0, "", f"lmtp+unix://{path}", root / "log", variables)
        return daemon, [Door((HOST, port)), Door(path)], DovecotServer(tcp, unix)

    with serving(launch) as server:
        yield server


@contextlib.contextmanager
def authentication(root: Path, *, users: Iterable[str] = (), any_password: bool = False) -> Iterator[AuthService]:
    """Run Dovecot's authentication service below `root`, for alice and `users`.

    With `any_password` it believes every password.
    """
    needs(PROGRAM, user="dovecot")
    make_folder(root)
    write_authority(root, [SENDER, *users])

    def launch() -> tuple[Daemon, list[Door], AuthService]:
        daemon = start(root, COMMON + AUTH, protocols="", passdb=passdb(root, any_password=any_password))
        door = Door(str(root / "auth"), greeting=b"VERSION\t")
        return daemon, [door], AuthService(root / "auth", token_of(SENDER))

    with serving(launch) as service:
        yield service


def start(root: Path, template: str, **values: str | int) -> Daemon:
    """Start Dovecot with the configuration that the template is of."""
    config = root / "dovecot.conf"
    config.write_text(template.format(**{"root": root, "host": HOST, "domain": DOMAIN, "user": MAIL_USER, **values}))
    return Daemon([PROGRAM, "-F", "-c", config], folder=root, log=root / "log")


def mailbox_of(root: Path, name: str) -> str:
    """Return a line of the user database, in the form of passwd(5)."""
    quota = "userdb_quota_rule=*:bytes=1" if name == FULL else ""
    return f"{name}::{MAIL_USER}:{MAIL_USER}::{root}/mail/{name}::{quota}\n"


def token_of(user: str) -> str:
    """Return a JSON web token (RFC 7519) for the user."""
    now = int(time.time())
    claims: dict[str, str | int] = {"sub": user, "email": user, "iat": now, "nbf": now, "exp": now + TOKEN_LIFE}
    signed = f"{_part({'alg': 'HS256', 'typ': 'JWT'})}.{_part(claims)}"
    return f"{signed}.{_encode(hmac.digest(KEY, signed.encode(), 'sha256'))}"


def write_authority(root: Path, users: Iterable[str]) -> None:
    """Write below `root` what `PASSDB` asks for: the users' passwords, and the key that tokens are checked with."""
    (root / "passwords").write_text("".join(f"{user}:{{PLAIN}}{PASSWORD}::::::\n" for user in users))
    (root / "oauth2.conf").write_text(OAUTH2.format(root=root))
    folder = make_folder(root / "keys" / "default" / "HS256")
    (folder / "default").write_bytes(base64.b64encode(KEY))


def passdb(root: Path, *, any_password: bool = False) -> str:
    """Return where Dovecot looks for passwords and tokens, as its configuration has it."""
    passwords = f"driver = passwd-file\n  args = scheme=PLAIN {root}/passwords"
    believed = "driver = static\n  args = nopassword=y"
    return PASSDB.format(root=root, passwords=believed if any_password else passwords)


def _part(value: Mapping[str, str | int]) -> str:
    return _encode(json.dumps(value).encode())


def _encode(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()
