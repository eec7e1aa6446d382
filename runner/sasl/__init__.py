"""Client mechanisms of SASL (RFC 4422), without I/O and without randomness."""

from runner.sasl.mechanism import Credentials, Mechanism, SaslError
from runner.sasl.registry import MECHANISMS, create

__all__ = ["MECHANISMS", "Credentials", "Mechanism", "SaslError", "create"]
