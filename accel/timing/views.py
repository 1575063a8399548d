"""What a record says, computed from its raw samples when asked for.

A view holds the data of a record and nothing else: every time, rate, speed-up
and verdict follows from the samples.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from accel.timing import memory, noise, paired
from accel.timing.stats import Interval


@dataclass(frozen=True)
class CaseView:
    """One case of a record: several kernels on the same input.

    All numbers are computed from the raw samples when asked for.
    """

    data: Mapping[str, Any]

    @property
    def operation(self) -> str:
        return self.data["operation"]

    @property
    def parameters(self) -> dict[str, Any]:
        return dict(self.data["parameters"])

    @property
    def label(self) -> str:
        """The parameters in words: ``n=64, dtype=float32``."""
        return describe_parameters(self.data["parameters"])

    @property
    def kernels(self) -> list[str]:
        return list(self.data["kernels"])

    @property
    def baseline(self) -> str:
        return self.data["baseline"]

    @property
    def flops(self) -> int:
        return self.data["flops"]

    @property
    def compulsory_bytes(self) -> int:
        return self.data["compulsory_bytes"]

    @property
    def stable(self) -> bool:
        return self.data["stable"]

    @property
    def reasons(self) -> list[str]:
        """Why the case is not stable, in words."""
        return list(self.data["reasons"])

    @property
    def resolution(self) -> Interval:
        """Speed-up of the baseline over itself: the noise floor."""
        return paired.speedup(_per_call_ns(self.data["again"]), self.samples(self.baseline))

    def _kernel(self, name: str) -> Mapping[str, Any]:
        if name not in self.data["kernels"]:
            raise KeyError(
                f"no kernel {name!r} at {self.label}; there are {', '.join(self.kernels)}"
            )
        return self.data["kernels"][name]

    def instrument(self, kernel: str) -> str:
        """Return who runs the inner loop: interpreter, NumPy or compiled."""
        return self._kernel(kernel)["instrument"]

    def story(self, kernel: str) -> str:
        return self._kernel(kernel)["story"]

    def samples(self, kernel: str) -> list[list[float]]:
        """Return the times of one call in ns: a list per process, in time order."""
        return _per_call_ns(self._kernel(kernel))

    def samples_again(self) -> list[list[float]]:
        """Return the samples of the baseline's second entry."""
        return _per_call_ns(self.data["again"])

    def first_call_ns(self, kernel: str) -> list[int]:
        """Return the time of the very first call in each process, in ns."""
        return [process["first_call_ns"] for process in self._kernel(kernel)["processes"]]

    def peak_alloc_bytes(self, kernel: str) -> int | None:
        """Return what one call allocates at most, as tracemalloc sees it."""
        return self._kernel(kernel)["peak_alloc_bytes"]

    def memory(self, kernel: str) -> dict[str, int | None]:
        """Return the account of one call, as `accel.timing.memory.FIELDS` describes it.

        All None in a record that was made before accounts were kept.
        """
        account = self._kernel(kernel).get("memory", {})
        return {name: account.get(name) for name in memory.FIELDS}

    def time_ns(self, kernel: str) -> Interval:
        """Return the time of one call in ns."""
        return paired.time_ns(self.samples(kernel))

    def fastest_ns(self, kernel: str) -> float:
        """Return the least time of a call in any sample, in ns: for a ceiling, not for a claim."""
        return min(min(process) for process in self.samples(kernel))

    def gflops(self, kernel: str) -> Interval:
        """Return 10⁹ declared FLOPs per second."""
        return _rate(self.flops, self.time_ns(kernel))

    def gigabytes_per_second(self, kernel: str) -> Interval:
        """Return 10⁹ compulsory bytes per second."""
        return _rate(self.compulsory_bytes, self.time_ns(kernel))

    def speedup(self, kernel: str, over: str | None = None) -> Interval:
        """Return how many times faster `kernel` is than `over` (the baseline if None)."""
        return paired.speedup(self.samples(kernel), self.samples(over or self.baseline))

    def verdict(self, kernel: str, over: str | None = None) -> str:
        """Return what may be said of that speed-up; one of `noise.VERDICTS`."""
        return noise.verdict(self.speedup(kernel, over), self.resolution, self.stable)


@dataclass(frozen=True)
class Record:
    """One experiment, read back."""

    data: Mapping[str, Any]

    @property
    def experiment(self) -> str:
        return self.data["experiment"]

    @property
    def question(self) -> str:
        return self.data["question"]

    @property
    def profile(self) -> str:
        return self.data["profile"]

    @property
    def created(self) -> str:
        """When, in UTC, ISO 8601."""
        return self.data["created"]

    @property
    def machine(self) -> Mapping[str, Any]:
        return self.data["machine"]

    @property
    def software(self) -> Mapping[str, Any]:
        return self.data["software"]

    @property
    def fingerprint(self) -> str:
        return self.data["fingerprint"]

    @property
    def clock(self) -> Mapping[str, Any]:
        return self.data["clock"]

    @property
    def protocol(self) -> Mapping[str, Any]:
        return self.data["protocol"]

    @property
    def cases(self) -> list[CaseView]:
        return [CaseView(case) for case in self.data["cases"]]

    def case(self, **parameters: Any) -> CaseView:
        """Return the one case whose parameters include these.

        Raises
        ------
        KeyError
            If none or several do; the message lists the choices.
        """
        found = [
            case
            for case in self.cases
            if all(case.parameters.get(key) == value for key, value in parameters.items())
        ]
        if len(found) == 1:
            return found[0]
        choices = "; ".join(case.label for case in self.cases)
        raise KeyError(
            f"{self.experiment}: {len(found)} cases match "
            f"{describe_parameters(parameters) or 'no parameters'}, expected 1; "
            f"there are {choices}"
        )


def describe_parameters(parameters: Mapping[str, Any]) -> str:
    """Return parameters in words: ``n=64, dtype=float32``."""
    return ", ".join(f"{key}={value}" for key, value in parameters.items())


def _per_call_ns(kernel: Mapping[str, Any]) -> list[list[float]]:
    return [
        [elapsed / process["loops"] for elapsed in process["samples_ns"]]
        for process in kernel["processes"]
    ]


def _rate(amount: int, time: Interval) -> Interval:
    return Interval(amount / time.value, amount / time.high, amount / time.low, time.coverage)
