"""A case as the dialogue that it would be, without a server: what is sent, and what is expected of the replies.

Nothing here connects, resolves a name or fetches a secret. What only a conversation shows stays as it is written:
both sides of a condition, the names of what is captured. Client lines are made by the code that a run sends them by.
"""

from runner.rehearsal.casting import DUMMY, PER_CASE, cast, suppose
from runner.rehearsal.rehearsal import rehearse

__all__ = ["DUMMY", "PER_CASE", "cast", "rehearse", "suppose"]
