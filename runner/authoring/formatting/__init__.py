"""One canonical form for scenarios, fragments and project files: text in, text out, comments kept.

`canonical` never changes what a file means: what it made is read again and compared.
"""

from __future__ import annotations

from runner.authoring.formatting.formatter import ChangedMeaningError, canonical

__all__ = ["ChangedMeaningError", "canonical"]
