"""Dovecot as the server of mailboxes: IMAP, POP3, ManageSieve, LMTP with Sieve, and submission."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from types import MappingProxyType

from ._certificates import certificate
from ._dovecot import (
    COMMON,
    FULL,
    LMTP_PROGRAM,
    MAIL_USER,
    PROGRAM,
    mailbox_of,
    passdb,
    start,
    token_of,
    write_authority,
)
from ._process import Daemon, Door, needs, serving
from ._running import DOMAIN, HOST, PASSWORD, RECIPIENT, SENDER, VARIABLES, Running, free_ports, make_folder

PROGRAMS = [PROGRAM, LMTP_PROGRAM, *(LMTP_PROGRAM.with_name(name) for name in ("imap", "pop3", "submission"))]
SIEVE_PROGRAMS = [LMTP_PROGRAM.with_name("managesieve"), Path("/usr/lib/dovecot/modules/lib90_sieve_plugin.so")]
OWN = tuple(f"box{number}@{DOMAIN}" for number in range(1000))
"""Users whose mailboxes are empty until a test takes one for its own."""

STRANGE_HOST = "127.0.0.2"
"""Where a client comes from another address than it goes to. One that does not counts as secure without TLS."""
NOBODY = 1
"""A port where no server listens."""

MAILBOXES = """\
ssl = {ssl}
ssl_cert = <{chain}
ssl_key = <{key}
disable_plaintext_auth = no
auth_mechanisms = plain login cram-md5 apop scram-sha-1 scram-sha-256 xoauth2 oauthbearer
{passdb}
userdb {{
  driver = passwd-file
  args = {root}/users
}}

mail_location = maildir:~/Maildir
first_valid_uid = 1
mail_fsync = never
mail_max_userip_connections = {connections}
mail_plugins = quota
quota_full_tempfail = no
namespace inbox {{
  inbox = yes
  mailbox Drafts {{
    special_use = \\Drafts
  }}
  mailbox Junk {{
    special_use = \\Junk
  }}
  mailbox Sent {{
    special_use = \\Sent
  }}
  mailbox Trash {{
    special_use = \\Trash
  }}
}}
plugin {{
  quota = {quota}
  sieve = file:~/sieve;active=~/.dovecot.sieve
  sieve_before = {root}/before/before.sieve
}}
protocol imap {{
  mail_plugins = quota imap_quota
}}
protocol pop3 {{
  {deletes}
}}
protocol lmtp {{
  mail_plugins = quota {sieve_plugin}
  {delivers}
}}
# Notices of Sieve go there too.
submission_host = {relay_host}:{relay}
submission_relay_host = {relay_host}
submission_relay_port = {relay}
submission_relay_user = {sender}
submission_relay_password = {password}

service imap-login {{
  service_count = 0
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = {imaps}
    ssl = yes
  }}
}}
service pop3-login {{
  service_count = 0
  inet_listener pop3 {{
    port = {pop3}
  }}
  inet_listener pop3s {{
    port = {pop3s}
    ssl = yes
  }}
}}
service managesieve-login {{
  service_count = 0
  inet_listener sieve {{
    port = {sieve}
  }}
}}
service submission-login {{
  service_count = 0
  inet_listener submission {{
    port = {submission}
  }}
}}
service lmtp {{
  inet_listener lmtp {{
    address = {host}
    port = {lmtp}
  }}
  unix_listener {root}/lmtp {{
    mode = 0666
  }}
}}
"""

BEFORE = """\
require ["fileinto", "mailbox"];
if header :is "X-Spam-Flag" "YES" {
  fileinto :create "Junk";
  stop;
}
"""
"""What Sieve does for everybody, before the user's own script."""


@dataclass(frozen=True, slots=True)
class MailboxVariation:
    """What is different, on purpose; nothing by default."""

    requires_tls: bool = False
    """No password is taken before STARTTLS. The doors are at `STRANGE_HOST`."""
    starttls_off: bool = False
    """There is no TLS, and nobody listens at the doors that begin with it."""
    expired_certificate: bool = False
    any_password: bool = False
    """PLAIN, LOGIN and what is sent by the protocols' own commands: every password is believed."""
    few_connections: bool = False
    """A user may have two at once in each protocol."""
    no_quota: bool = False
    """There is room in everybody's mailbox."""
    pop3_keeps: bool = False
    """What DELE was said of is hidden from POP3, and stays for IMAP."""
    ignores_sieve: bool = False
    """What is delivered goes to INBOX, whatever the scripts say."""
    loses_mail: bool = False
    """What LMTP takes is never seen in a mailbox."""


@dataclass(frozen=True, slots=True)
class MailboxServer:
    """The doors of one server, by protocol; those that do not begin with TLS offer STARTTLS.

    `lmtp_socket` is the path of a UNIX socket, LMTP too.
    """

    imap: Running
    imaps: Running
    pop3: Running
    pop3s: Running
    sieve: Running
    submission: Running
    lmtp: Running
    lmtp_socket: Path

    def of(self, user: str) -> MailboxServer:
        """Return the same doors with another user's name, as recipient too, and token; the password is everybody's."""
        doors = {name: for_user(getattr(self, name), user) for name in PORTS}
        return MailboxServer(**doors, lmtp_socket=self.lmtp_socket)


def for_user(door: Running, user: str) -> Running:
    """Return the door with another user's name, as recipient too, and token."""
    variables = MappingProxyType({**door.variables, "username": user, "recipient": user})
    return replace(door, variables=variables, token=token_of(user))


PORTS = tuple(field.name for field in fields(MailboxServer) if field.name != "lmtp_socket")
WITH_TLS = ("imaps", "pop3s")
GREETINGS = {
    "imap": b"* OK ",
    "imaps": b"* OK ",
    "pop3": b"+OK ",
    "pop3s": b"+OK ",
    "sieve": b'"IMPLEMENTATION" ',
    "submission": b"220 ",
    "lmtp": b"220 ",
}


@contextlib.contextmanager
def dovecot_mailboxes(root: Path, *, relay: int = 0, **variation: bool) -> Iterator[MailboxServer]:
    """Run Dovecot with everything it has below `root`.

    Args:
        root: a folder that others may pass through, see `server_root`.
        relay: the loopback port of the server that submission and Sieve's notices go on to; 0 for none: then submission greets nobody, and
            what Sieve should reject is kept.
        variation: the fields of `MailboxVariation`.
    """
    broken = MailboxVariation(**variation)
    needs(*PROGRAMS, *SIEVE_PROGRAMS, user="dovecot")
    make_folder(root)
    make_folder(root / "mail", MAIL_USER, MAIL_USER)
    files = certificate(root, expired=broken.expired_certificate)
    names = (SENDER, RECIPIENT, FULL, *OWN)
    (root / "users").write_text("".join(mailbox_of(root, name) for name in names))
    write_authority(root, names)
    (make_folder(root / "before", MAIL_USER, MAIL_USER) / "before.sieve").write_text(BEFORE)

    def launch() -> tuple[Daemon, list[Door], MailboxServer]:
        ports = _ports(broken)
        template = COMMON + MAILBOXES
        values = _values(root, broken) | ports
        daemon = start(root, template, chain=str(files.chain), key=str(files.key), relay=relay or NOBODY, **values)
        doors = [
            Door((str(values["host"]), port), GREETINGS[name], has_tls=name in WITH_TLS)
            for name, port in ports.items()
            if port and (name != "submission" or relay)
        ]
        return daemon, doors, _describe(root, str(values["host"]), ports, files.ca)

    with serving(launch) as server:
        yield server


def _ports(broken: MailboxVariation) -> dict[str, int]:
    """Choose a port for every door; 0 closes one."""
    ports = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
    return ports | dict.fromkeys(WITH_TLS, 0) if broken.starttls_off else ports


def _values(root: Path, broken: MailboxVariation) -> dict[str, str | int]:
    return {
        "protocols": "imap pop3 sieve lmtp submission",
        "ssl": "no" if broken.starttls_off else "required" if broken.requires_tls else "yes",
        "passdb": passdb(root, any_password=broken.any_password),
        "connections": 2 if broken.few_connections else 1000,
        "quota": "" if broken.no_quota else "maildir:mailbox",
        "deletes": "pop3_deleted_flag = '$POP3Deleted'" if broken.pop3_keeps else "",
        "sieve_plugin": "" if broken.ignores_sieve else "sieve",
        "delivers": "mail_location = maildir:~/Elsewhere" if broken.loses_mail else "",
        "host": STRANGE_HOST if broken.requires_tls else HOST,
        "relay_host": HOST,
        "sender": SENDER,
        "password": PASSWORD,
    }


def _describe(root: Path, host: str, ports: Mapping[str, int], ca: Path) -> MailboxServer:
    variables = MappingProxyType({**VARIABLES, "full": FULL})
    doors = {
        name: Running(
            f"dovecot {name}",
            host,
            port,
            str(ca),
            f"{'smtp' if name == 'submission' else name}://{host}:{port}",
            root / "log",
            variables,
            token=token_of(SENDER),
        )
        for name, port in ports.items()
    }
    return MailboxServer(**doors, lmtp_socket=root / "lmtp")
