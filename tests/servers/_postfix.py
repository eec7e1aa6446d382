"""Postfix with three doors, and the ways in which it can be told to be broken."""

from __future__ import annotations

import contextlib
import hashlib
import os
import ssl
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ._certificates import Certificate, certificate
from ._dovecot import MAIL_USER, AuthService, authentication
from ._greylisting import greylisting_policy
from ._process import Daemon, Door, needs, serving
from ._running import (
    BANNED,
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

smtpd_relay_restrictions = permit_mynetworks, permit_sasl_authenticated, permit_tls_clientcerts, reject_unauth_destination
smtpd_recipient_restrictions = {policy}
smtpd_client_restrictions = check_client_access inline:{{ {{ {banned} = REJECT you are not welcome }} }}
smtpd_discard_ehlo_keywords = {without}
smtpd_error_sleep_time = 0
smtpd_forbid_bare_newline = {strict}
smtpd_client_connection_count_limit = {connections}
smtpd_client_event_limit_exceptions =
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
{door}
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
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
"""

# How a message comes to the server of the mailboxes, at once.
DELIVERY = """\
virtual_transport = lmtp:unix:{mailboxes}
lmtp_connection_cache_on_demand = no
recipient_delimiter = +
in_flow_delay = 0
queue_run_delay = 1s
minimal_backoff_time = 1s
maximal_backoff_time = 1s
"""
# In place of the programs that a provider has for it.
VOUCHED = """\
lmtp_header_checks = regexp:{{
  {{ /^Received: from / IGNORE }},
  {{ /^Message-ID:/ PREPEND DKIM-Signature: v=1; a=rsa-sha256; d={domain} }},
  {{ /^Date:/ PREPEND Authentication-Results: mx.example.net; spf=pass; dkim=pass; dmarc=pass }} }}
"""
SPAM_FILTER = """\
header_checks = regexp:{{ {{ /^X-Spam-Flag: DEFINITELY/ REJECT 5.7.1 this is spam }} }}
body_checks = regexp:{{ {{ /GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL/ REJECT 5.7.1 this is spam }} }}
"""

PLAIN = """\
{host}:{plain} inet n - n - - smtpd
  -o syslog_name=plain
"""

# What postscreen has learnt is forgotten, so that every client is made to wait.
POSTSCREEN = """\
{host}:{plain} inet n - n - 1 postscreen
  -o syslog_name=plain
  -o postscreen_greet_banner=please-wait
  -o postscreen_greet_wait=1s
  -o postscreen_greet_action=enforce
  -o postscreen_cache_map=
smtpd pass - - n - - smtpd
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
    behind_proxy: bool = False
    """The door `plain` wants a PROXY header before anything else."""
    takes_xclient: bool = False
    postscreen: bool = False
    """The door `plain` greets a client by half, lets it wait and sees whether it speaks too early."""
    lax_line_ends: bool = False
    """A dot between bare LFs ends a message (CVE-2023-51764)."""
    greylisting: bool = False
    """A sender that is not known is put off for a second."""
    few_connections: bool = False
    """A client may have three at once."""
    no_size: bool = False
    no_pipelining: bool = False
    tls12_only: bool = False
    tls13_only: bool = False
    asks_certificate: bool = False
    """Clients may show a certificate, and `client.pem` beside the CA's file is one whose holder may relay."""
    takes_spam: bool = False
    """Nobody looks at what a message says; matters where it is handed on to the server of mailboxes."""
    vouches: bool = False
    """As a provider does, mail on its way to the server of mailboxes is said to be signed and checked, and where it
    came from is left out."""
    many_names: bool = False
    """A client that asks for `other.example.com` is shown a certificate for that name, by the same CA."""


@contextlib.contextmanager
def postfix(
    root: Path, *, mailboxes: Path | None = None, users: Sequence[str] = (), **variation: bool
) -> Iterator[Listeners]:
    """Run one Postfix and its authentication service below `root`.

    Args:
        root: a folder that others may pass through, see `server_root`.
        mailboxes: the UNIX socket of the LMTP server that keeps the mail; None for folders below `root`.
        users: who else has a mailbox.
        variation: the fields of `PostfixVariation`.
    """
    broken = PostfixVariation(**variation)
    needs(MASTER, user="postfix")
    make_folder(root)
    _make_folders(root)
    files = certificate(root, expired=broken.expired_certificate, wrong_name=broken.wrong_certificate_name)
    policy = greylisting_policy() if broken.greylisting else contextlib.nullcontext("")
    with authentication(root / "auth", users=users, any_password=broken.any_password) as auth, policy as asked:
        _write_settled(root / "main.cf", _main(root, broken, files, auth, asked, users) + _delivery(broken, mailboxes))

        def launch() -> tuple[Daemon, list[Door], Listeners]:
            ports = dict(zip(("plain", "tls_only", "submissions"), free_ports(3), strict=True))
            _write_settled(
                root / "master.cf",
                MASTER_CF.format(
                    host=HOST,
                    door=_plain_door(broken, ports),
                    auth_after_tls="no" if broken.auth_without_tls else "yes",
                    **ports,
                ),
            )
            log = root / "log" / "log"
            daemon = Daemon([MASTER, "-c", root, "-d"], folder=root, log=log)
            doors = [
                Door((HOST, port), b"220", has_tls=name == "submissions")
                for name, port in ports.items()
                if name != "plain" or not broken.behind_proxy
            ]
            return daemon, doors, listeners("postfix", ports, files.ca, log, token=auth.token)

        with serving(launch) as server:
            yield server


def _plain_door(broken: PostfixVariation, ports: Mapping[str, int]) -> str:
    """Return the door `plain` as master.cf has it."""
    lines = (POSTSCREEN if broken.postscreen else PLAIN).format(host=HOST, **ports)
    if broken.behind_proxy:
        lines += "  -o smtpd_upstream_proxy_protocol=haproxy\n"
    if broken.takes_xclient:
        lines += f"  -o smtpd_authorized_xclient_hosts={HOST}\n"
    return lines.rstrip()


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


def _main(
    root: Path, broken: PostfixVariation, files: Certificate, auth: AuthService, policy: str, users: Sequence[str]
) -> str:
    mailboxes = [f"{SENDER}=alice/", f"{RECIPIENT}=bob/", *(f"{user}={user}/" for user in users)]
    if not broken.no_postmaster:
        mailboxes.append(f"postmaster@{DOMAIN}=postmaster/")
    if broken.accept_unknown:
        mailboxes.append(f"@{DOMAIN}=anybody/")
    without = [word for word in ("size", "pipelining") if getattr(broken, f"no_{word}")]
    owner = (root / "mail").stat()
    return _tls(root, broken, files) + MAIN.format(
        root=root,
        daemons=DAEMONS,
        log=root / "log" / "log",
        host=HOST,
        domain=DOMAIN,
        trusted="0.0.0.0/0" if broken.open_relay else "",
        size=SIZE_LIMIT,
        banned=BANNED,
        mailboxes=", ".join(mailboxes),
        uid=owner.st_uid,
        gid=owner.st_gid,
        without=" ".join(without),
        auth=auth.socket,
        policy=policy,
        tls="none" if broken.starttls_off else "may",
        connections=3 if broken.few_connections else 0,
        strict="no" if broken.lax_line_ends else "yes",
        key=files.key,
        chain=files.chain,
    )


def _delivery(broken: PostfixVariation, mailboxes: Path | None) -> str:
    """Return what is special about the way to the server of the mailboxes."""
    if mailboxes is None:
        return ""
    vouched = VOUCHED.format(domain=DOMAIN) if broken.vouches else ""
    return DELIVERY.format(mailboxes=mailboxes) + vouched + ("" if broken.takes_spam else SPAM_FILTER.format())


def _tls(root: Path, broken: PostfixVariation, files: Certificate) -> str:
    """Return what is special about TLS; every door takes it."""
    lines: list[str] = []
    if broken.tls12_only or broken.tls13_only:
        versions = ">=TLSv1.3" if broken.tls13_only else ">=TLSv1.2, <=TLSv1.2"
        lines += [f"smtpd_tls_protocols = {versions}", f"smtpd_tls_mandatory_protocols = {versions}"]
    if broken.asks_certificate:
        fingerprint = _client_certificate(root, files)
        lines += [
            "smtpd_tls_ask_ccert = yes",
            f"smtpd_tls_CAfile = {files.ca}",
            "smtpd_tls_fingerprint_digest = sha256",
            f"relay_clientcerts = inline:{{ {{ {fingerprint} = alice }} }}",
        ]
    if broken.many_names:
        pair = root / "other.pem"
        files.issue("other.example.com").private_key_and_cert_chain_pem.write_to_path(str(pair))
        (root / "names").write_text(f"other.example.com {pair}\n")
        lines.append(f"tls_server_sni_maps = texthash:{root}/names")
    return "".join(f"{line}\n" for line in lines)


def _client_certificate(root: Path, files: Certificate) -> str:
    """Write `client.pem`, a client's key and certificate; return its fingerprint as Postfix writes it."""
    leaf = files.issue("client.example.com")
    leaf.private_key_and_cert_chain_pem.write_to_path(str(root / "client.pem"))
    digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(leaf.cert_chain_pems[0].bytes().decode())).hexdigest()
    return ":".join(digest[at : at + 2] for at in range(0, len(digest), 2)).upper()
