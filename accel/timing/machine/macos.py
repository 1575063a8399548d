"""What macOS says about this computer, through one call of sysctl."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from typing import Any

SYSCTL = "/usr/sbin/sysctl"

#: Why a fact can be missing.
REASONS = {
    "model": "sysctl gives no machdep.cpu.brand_string",
    "logical_cores": "sysctl gives no hw.logicalcpu",
    "physical_cores": "sysctl gives no hw.physicalcpu",
    "vector_features": "sysctl lists no vector instructions known to this book",
    "vector_bits": "the width follows from the vector instructions, and none are listed",
    "caches": "sysctl gives no cache sizes",
    "memory_bytes": "sysctl gives no hw.memsize",
    "virtualised": "sysctl gives no kern.hv_vmm_present",
    "hypervisor": "macOS does not name it",
    "governor": "macOS governs the clock itself and does not say how",
}

#: sysctl's names of vector instructions, and the names that Linux gives them.
_INTEL_FEATURES = {
    "SSE2": "sse2", "SSE4.2": "sse4_2", "AVX1.0": "avx", "F16C": "f16c", "FMA": "fma",
    "AVX2": "avx2", "AVX512F": "avx512f", "AVX512DQ": "avx512dq", "AVX512BW": "avx512bw",
    "AVX512VL": "avx512vl", "AVX512VNNI": "avx512_vnni",
}  # fmt: skip
_APPLE_FEATURES = {
    "hw.optional.neon": "neon",
    "hw.optional.arm.FEAT_FP16": "asimdhp",
    "hw.optional.arm.FEAT_DotProd": "asimddp",
    "hw.optional.arm.FEAT_I8MM": "i8mm",
    "hw.optional.arm.FEAT_BF16": "bf16",
    "hw.optional.arm.FEAT_SME": "sme",
}

_CACHES = (
    (1, "data", "l1dcachesize"),
    (1, "instruction", "l1icachesize"),
    (2, "unified", "l2cachesize"),
    (3, "unified", "l3cachesize"),
)


def read_sysctl() -> dict[str, str]:
    """Return the facts of sysctl that concern hardware, as text; none if it fails."""
    command = [SYSCTL, "hw", "machdep.cpu", "kern.hv_vmm_present"]
    try:
        # The status does not matter: one unknown name makes it 1, the rest is answered.
        answer = subprocess.run(command, capture_output=True, text=True, timeout=2, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return {}
    pairs = (line.partition(":") for line in answer.stdout.splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}


def describe(facts: Mapping[str, str]) -> dict[str, Any]:
    """Return what sysctl's `facts` say, None where they say nothing."""
    features = vector_features(facts)
    widths = {"avx512f": 512, "avx": 256, "sse2": 128, "neon": 128}
    virtual = {"0": False, "1": True}.get(facts.get("kern.hv_vmm_present", ""))
    return {
        "model": facts.get("machdep.cpu.brand_string"),
        "logical_cores": _number(facts, "hw.logicalcpu"),
        "physical_cores": _number(facts, "hw.physicalcpu"),
        "vector_features": features or None,
        "vector_bits": next((bits for name, bits in widths.items() if name in features), None),
        "caches": caches(facts) or None,
        "memory_bytes": _number(facts, "hw.memsize"),
        "virtualised": virtual,
        "hypervisor": "none" if virtual is False else None,
        "governor": None,
    }


def vector_features(facts: Mapping[str, str]) -> list[str]:
    """Return the vector instructions under the names that Linux gives them."""
    intel = [facts.get(f"machdep.cpu.{group}", "") for group in ("features", "leaf7_features")]
    listed = " ".join(intel).split()
    found = [name for key, name in _INTEL_FEATURES.items() if key in listed]
    return found + [name for key, name in _APPLE_FEATURES.items() if facts.get(key) == "1"]


def caches(facts: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the different caches; Apple's fast and frugal cores have their own.

    The keys are those of `accel.timing.machine.linux.caches`.
    """
    levels = _number(facts, "hw.nperflevels") or 0
    groups = [f"hw.perflevel{level}" for level in range(levels)] or ["hw"]
    found = [
        _cache(facts, group, level, kind, key)
        for level, kind, key in _CACHES
        for group in groups
        if _number(facts, f"{group}.{key}")
    ]
    return sorted(found, key=lambda cache: (cache["level"], cache["type"], -cache["cpus"]))


def _cache(facts: Mapping[str, str], group: str, level: int, kind: str, key: str) -> dict[str, Any]:
    logical = _number(facts, f"{group}.logicalcpu") or 1
    cores = _number(facts, f"{group}.physicalcpu") or logical
    threads = max(1, logical // cores)
    # Intel: how many logical CPUs share memory, L1, L2, L3. Apple: an entry for L2 alone.
    config = facts.get("hw.cacheconfig", "").split()
    shared = int(config[level]) if group == "hw" and len(config) > level else None
    if group != "hw":
        shared = threads if level == 1 else _number(facts, f"{group}.cpusperl{level}")
    return {
        "level": level,
        "type": kind,
        "size_bytes": _number(facts, f"{group}.{key}"),
        "line_bytes": _number(facts, "hw.cachelinesize"),
        "ways": None,
        "shared_by": shared,
        "shared_by_cores": shared and max(1, shared // threads),
        "cpus": logical,
    }


def _number(facts: Mapping[str, str], key: str) -> int | None:
    text = facts.get(key, "")
    return int(text) or None if text.isdigit() else None
