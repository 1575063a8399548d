"""How it is measured: fresh processes, balanced order, exact intervals, a noise floor."""

from accel.timing.experiment import MeasurementError, measure
from accel.timing.plan import Case, profile
from accel.timing.records import CaseView, Record, RecordError, load, read
from accel.timing.stats import Interval

__all__ = [
    "Case",
    "CaseView",
    "Interval",
    "MeasurementError",
    "Record",
    "RecordError",
    "load",
    "measure",
    "profile",
    "read",
]
