"""Postfix with three doors, and the ways in which it can be told to be broken."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ._certificates import Certificate, certificate
from ._dovecot import MAIL_USER, AuthService, authentication
from ._process import Daemon, Door, needs, serving
from ._running import (
    DOMAIN,
    HOST,
    RECIPIENT,
    SENDER,
    SIZE_LIMIT,
    Listeners,
    free_ports,
    listeners,
    make_folder,
)

DAEMONS = Path("/usr/lib/postfix/sbin")
MASTER = DAEMONS / "master"
QUEUES = ("active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "private", "saved", "trace")

MAIN = """\
compatibility_level = 3.6
config_directory = {root}
meta_directory = {root}
queue_directory = {root}/queue
data_directory = {root}/data
daemon_directory = {daemons}
maillog_file = {log}
maillog_file_prefixes = {root}
inet_interfaces = {host}
inet_protocols = ipv4
myhostname = mail.{domain}
myorigin = {domain}
mydestination =
mynetworks = {trusted}
alias_maps =
alias_database =
biff = no
smtpd_peername_lookup = no
smtp_dns_support_level = disabled
smtp_host_lookup = native
message_size_limit = {size}

virtual_mailbox_domains = {domain}
virtual_mailbox_maps = inline:{{ {mailboxes} }}
virtual_mailbox_base = {root}/mail
virtual_minimum_uid = 1
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
# Nothing leaves this machine.
default_transport = discard:
relay_transport = discard:

smtpd_relay_restrictions = permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination
smtpd_recipient_restrictions =
smtpd_discard_ehlo_keywords = {without}
smtpd_error_sleep_time = 0
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0

smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = {auth}
smtpd_sasl_security_options = noanonymous
smtpd_tls_security_level = {tls}
smtpd_tls_chain_files = {key}, {chain}
smtpd_tls_loglevel = 1
"""

MASTER_CF = """\
{host}:{plain} inet n - n - - smtpd
  -o syslog_name=plain
{host}:{tls_only} inet n - n - - smtpd
  -o syslog_name=tls_only
  -o smtpd_tls_auth_only={auth_after_tls}
{host}:{submissions} inet n - n - - smtpd
  -o syslog_name=submissions
  -o smtpd_tls_security_level=encrypt
  -o smtpd_tls_wrappermode=yes
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
virtual unix - n n - - virtual
postlog unix-dgram n - n - 1 postlogd
"""


@dataclass(frozen=True, slots=True)
class PostfixVariation:
    """What is broken, on purpose; nothing by default."""

    open_relay: bool = False
    auth_without_tls: bool = False
    """The door `tls_only` offers AUTH in clear text."""
    starttls_off: bool = False
    expired_certificate: bool = False
    wrong_certificate_name: bool = False
    accept_unknown: bool = False
    no_postmaster: bool = False
    any_password: bool = False
    """PLAIN, LOGIN believe every password."""
    no_size: bool = False
    no_pipelining: bool = False


@contextlib.contextmanager
def postfix(root: Path, **variation: bool) -> Iterator[Listeners]:
    """Run one Postfix and its authentication service below `root`.

    Args:
        root: a folder that others may pass through, see `server_root`.
        variation: the fields of `PostfixVariation`.
    """
    broken = PostfixVariation(**variation)
    needs(MASTER, user="postfix")
    make_folder(root)
    _make_folders(root)
    files = certificate(root, expired=broken.expired_certificate, wrong_name=broken.wrong_certificate_name)
    with authentication(root / "auth", any_password=broken.any_password) as auth:
        _write_settled(root / "main.cf", _main(root, broken, files, auth))

        def launch() -> tuple[Daemon, list[Door], Listeners]:
            ports = dict(zip(("plain", "tls_only", "submissions"), free_ports(3), strict=True))
            _write_settled(
                root / "master.cf",
                MASTER_CF.format(host=HOST, auth_after_tls="no" if broken.auth_without_tls else "yes", **ports),
            )
            log = root / "log" / "log"
            daemon = Daemon([MASTER, "-c", root, "-d"], folder=root, log=log)
            doors = [Door((HOST, port), has_tls=name == "submissions") for name, port in ports.items()]
            return daemon, doors, listeners("postfix", ports, files.ca, log, token=auth.token)

        with serving(launch) as server:
            yield server


def _write_settled(path: Path, text: str) -> None:
    """Write a file as if long ago: Postfix waits until a new one is two seconds old, lest it is still being written."""
    path.write_text(text)
    os.utime(path, (0, 0))


def _make_folders(root: Path) -> None:
    """Lay out the queue, which Postfix's own start script would do for the system's instance only."""
    for name in QUEUES:
        make_folder(root / "queue" / name, "postfix", mode=0o700)
    make_folder(root / "queue" / "pid")
    make_folder(root / "queue" / "public", "postfix", "postdrop", 0o710)
    make_folder(root / "queue" / "maildrop", "postfix", "postdrop", 0o1730)
    make_folder(root / "data", "postfix", mode=0o700)
    make_folder(root / "log", "postfix")
    make_folder(root / "mail", MAIL_USER, MAIL_USER)


def _main(root: Path, broken: PostfixVariation, files: Certificate, auth: AuthService) -> str:
    mailboxes = [f"{SENDER}=alice/", f"{RECIPIENT}=bob/"]
    if not broken.no_postmaster:
        mailboxes.append(f"postmaster@{DOMAIN}=postmaster/")
    if broken.accept_unknown:
        mailboxes.append(f"@{DOMAIN}=anybody/")
    without = [word for word in ("size", "pipelining") if getattr(broken, f"no_{word}")]
    owner = (root / "mail").stat()
    return MAIN.format(
        root=root,
        daemons=DAEMONS,
        log=root / "log" / "log",
        host=HOST,
        domain=DOMAIN,
        trusted="0.0.0.0/0" if broken.open_relay else "",
        size=SIZE_LIMIT,
        mailboxes=", ".join(mailboxes),
        uid=owner.st_uid,
        gid=owner.st_gid,
        without=" ".join(without),
        auth=auth.socket,
        tls="none" if broken.starttls_off else "may",
        key=files.key,
        chain=files.chain,
    )
