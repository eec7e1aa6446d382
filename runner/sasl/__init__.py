"""Client mechanisms of SASL (RFC 4422), without I/O and without randomness."""

from runner.sasl.channel_binding import ChannelBinding, channel_binding
from runner.sasl.mechanism import Credentials, Mechanism, SaslError, SaslUnableError
from runner.sasl.registry import MECHANISMS, create, strongest

__all__ = [
    "MECHANISMS",
    "ChannelBinding",
    "Credentials",
    "Mechanism",
    "SaslError",
    "SaslUnableError",
    "channel_binding",
    "create",
    "strongest",
]
