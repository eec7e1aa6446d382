"""Exim with the same three doors and rules as Postfix."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ._certificates import certificate
from ._process import Daemon, Door, needs, serving
from ._running import (
    DOMAIN,
    HOST,
    PASSWORD,
    SENDER,
    SIZE_LIMIT,
    Listeners,
    free_ports,
    listeners,
    make_folder,
)

USER = "Debian-exim"
"""Compiled into Debian's binary."""

CONFIG = """\
primary_hostname = mail.{domain}
qualify_domain = {domain}
spool_directory = {root}/spool
log_file_path = {root}/log/%slog
pid_file_path = {root}/spool/exim.pid
exim_path = {program}
log_selector = +smtp_protocol_error +smtp_syntax_error +tls_peerdn
keep_environment =
exim_user = {user}
exim_group = {user}
# Without its setuid bit and with a configuration of our own, Exim cannot become another user to deliver.
deliver_drop_privilege
never_users =
local_interfaces = {host}
daemon_smtp_ports = {plain} : {tls_only} : {submissions}
tls_on_connect_ports = {submissions}
tls_certificate = {chain}
tls_privatekey = {key}
tls_advertise_hosts = *
auth_advertise_hosts = ${{if or{{{{def:tls_in_cipher}}{{={{$received_port}}{{{plain}}}}}}}{{*}}}}
message_size_limit = {size}
smtp_accept_max = 1000
smtp_accept_max_per_host = 1000
smtp_accept_queue = 0
smtp_accept_queue_per_connection = 0
smtp_max_synprot_errors = 20
rfc1413_query_timeout = 0s
host_lookup =
helo_lookup_domains =
domainlist local_domains = {domain}
acl_smtp_rcpt = check_recipient
acl_smtp_data = accept
{prdr}

begin acl
check_each:
  deny local_parts = bob
       message = 550 5.7.1 <$local_part@$domain>: not this content
  accept
check_recipient:
  deny domains = +local_domains
       message = 550 5.1.1 <$local_part@$domain>: no such user here
       ! verify = recipient
  accept domains = +local_domains
  accept authenticated = *
  {relay}
  deny message = 550 5.7.1 <$local_part@$domain>: relay not permitted

begin routers
elsewhere:
  driver = redirect
  domains = ! +local_domains
  data = :blackhole:
here:
  driver = accept
  local_parts = alice : bob : postmaster
  transport = mailbox

begin transports
mailbox:
  driver = appendfile
  file = {root}/mail/$local_part_data
  user = {user}

begin retry
* * F,1m,1m

begin authenticators
PLAIN:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = ${{if and{{{{eq{{$auth2}}{{{username}}}}}{{eq{{$auth3}}{{{password}}}}}}}}}
  server_set_id = $auth2
LOGIN:
  driver = plaintext
  public_name = LOGIN
  server_prompts = <| Username: | Password:
  server_condition = ${{if and{{{{eq{{$auth1}}{{{username}}}}}{{eq{{$auth2}}{{{password}}}}}}}}}
  server_set_id = $auth1
CRAM:
  driver = cram_md5
  public_name = CRAM-MD5
  server_secret = ${{if eq{{$auth1}}{{{username}}}{{{password}}}fail}}
  server_set_id = $auth1
"""


@dataclass(frozen=True, slots=True)
class EximVariation:
    """What is broken, on purpose; nothing by default."""

    open_relay: bool = False
    prdr: bool = False
    """Recipients are asked one by one whether they want the message; bob doesn't."""
    expired_certificate: bool = False


def program() -> Path:
    """Return where the installer unpacks Exim; MAILPROOF_SERVERS names another folder for both."""
    return Path(os.environ.get("MAILPROOF_SERVERS", "/var/cache/mailproof-servers"), "exim/usr/sbin/exim4")


@contextlib.contextmanager
def exim(root: Path, **variation: bool) -> Iterator[Listeners]:
    """Run one Exim below `root`.

    Args:
        root: a folder that others may pass through, see `server_root`.
        variation: the fields of `EximVariation`.
    """
    broken = EximVariation(**variation)
    needs(program(), user=USER)
    make_folder(root)
    for name in ("spool", "log", "mail"):
        make_folder(root / name, USER, USER)
    files = certificate(root, expired=broken.expired_certificate)
    files.key.chmod(0o644)  # read by Exim's own user when a client asks for TLS

    def launch() -> tuple[Daemon, list[Door], Listeners]:
        ports = dict(zip(("plain", "tls_only", "submissions"), free_ports(3), strict=True))
        config = root / "exim.conf"
        config.write_text(
            CONFIG.format(
                root=root,
                program=program(),
                user=USER,
                domain=DOMAIN,
                host=HOST,
                size=SIZE_LIMIT,
                chain=files.chain,
                key=files.key,
                relay="accept" if broken.open_relay else "",
                prdr="prdr_enable = true\nacl_smtp_data_prdr = check_each" if broken.prdr else "",
                username=SENDER,
                password=PASSWORD,
                **ports,
            )
        )
        log = root / "log" / "mainlog"
        daemon = Daemon([program(), "-C", config, "-bdf"], folder=root, log=log)
        doors = [Door((HOST, port), has_tls=name == "submissions") for name, port in ports.items()]
        return daemon, doors, listeners("exim", ports, files.ca, log)

    with serving(launch) as server:
        yield server
