"""How it is measured: fresh processes, balanced order, exact intervals, a noise floor."""

from accel.timing.comparison import Comparison, compare
from accel.timing.experiment import MeasurementError, measure
from accel.timing.plan import Case, profile
from accel.timing.pyperf_export import to_pyperf
from accel.timing.records import CaseView, Record, RecordError, load, read
from accel.timing.stats import Interval

__all__ = [
    "Case",
    "CaseView",
    "Comparison",
    "Interval",
    "MeasurementError",
    "Record",
    "RecordError",
    "compare",
    "load",
    "measure",
    "profile",
    "read",
    "to_pyperf",
]
