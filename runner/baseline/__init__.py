"""Baselines: what servers did, kept in a file, and what they do otherwise now.

`facts` reads them from results, `masks` hides what varies by itself, `learning` what differed between several runs,
`document` writes and reads the file, `comparing` finds what changed, `approving` takes changes over, `marking` puts
them into a run's results, `table` shows them. All of it is pure: no clock, no file is opened, nothing is printed.
"""

from runner.baseline.approving import approve
from runner.baseline.comparing import Change, compare, compare_targets
from runner.baseline.document import Baseline, read_baseline, write_baseline
from runner.baseline.facts import CaseFacts, StepFacts, facts_of
from runner.baseline.learning import learn
from runner.baseline.marking import mark
from runner.baseline.masks import MASKS, Mask, Masks
from runner.baseline.table import grouped, render_changes

__all__ = [
    "MASKS",
    "Baseline",
    "CaseFacts",
    "Change",
    "Mask",
    "Masks",
    "StepFacts",
    "approve",
    "compare",
    "compare_targets",
    "facts_of",
    "grouped",
    "learn",
    "mark",
    "read_baseline",
    "render_changes",
    "write_baseline",
]
