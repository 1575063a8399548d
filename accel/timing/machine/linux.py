"""What the Linux kernel says about this computer, from its own files.

sysfs and procfs are read directly: libraries that guess report wrong cache
sizes and take a second. Every function takes the root of the file system, so
that a test can put another computer there, and the logical CPUs that this
process may use. A fact that the files do not give is None.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

#: Why a fact can be missing.
REASONS = {
    "model": "/proc/cpuinfo names no processor",
    "logical_cores": "the kernel gives this process no list of CPUs",
    "physical_cores": "sysfs does not say which CPUs share a core",
    "vector_features": "/proc/cpuinfo lists no vector instructions known to this book",
    "vector_bits": "the kernel does not say how wide the vectors are",
    "caches": "sysfs lists no caches",
    "memory_bytes": "/proc/meminfo gives no total",
    "virtualised": "this processor has no flag for it, and the firmware names no virtual machine",
    "hypervisor": "the kernel's files do not name it",
    "governor": "sysfs shows no clock governor; a virtual machine leaves the clock to its host",
}

#: Vector instructions that the book's kernels and their rivals choose by, as
#: /proc/cpuinfo spells them, narrow to wide. Other flags say nothing about speed here.
X86_FEATURES = (
    "sse2", "sse4_2", "avx", "f16c", "fma", "avx2", "avx_vnni",
    "avx512f", "avx512dq", "avx512bw", "avx512vl", "avx512_vnni", "avx512_bf16", "avx512_fp16",
    "amx_tile", "amx_int8", "amx_bf16",
)  # fmt: skip
ARM_FEATURES = ("neon", "asimdhp", "asimddp", "i8mm", "bf16", "sve", "sve2", "sme")

#: Processors that ARM kernels give by number only: (implementer, part).
ARM_PARTS = {
    ("0x41", "0xd03"): "Arm Cortex-A53",
    ("0x41", "0xd08"): "Arm Cortex-A72",
    ("0x41", "0xd0b"): "Arm Cortex-A76",
    ("0x41", "0xd0c"): "Arm Neoverse N1",
    ("0x41", "0xd40"): "Arm Neoverse V1",
    ("0x41", "0xd49"): "Arm Neoverse N2",
    ("0x41", "0xd4f"): "Arm Neoverse V2",
}

#: Words in the firmware's vendor and product, or in the names of clock sources
#: that only guests have, and the hypervisor they give away; the special ones first.
HYPERVISORS = {
    "amazon ec2": "Amazon EC2",
    "google compute engine": "Google Compute Engine",
    "microsoft corporation virtual machine": "Hyper-V",
    "hyperv": "Hyper-V",
    "vmware": "VMware",
    "virtualbox": "VirtualBox",
    "parallels": "Parallels",
    "apple virtualization": "Apple Virtualization",
    "xen": "Xen",
    "kvm": "KVM",
    "qemu": "QEMU",
}

_CPU = "sys/devices/system/cpu"
_CLOCK = "sys/devices/system/clocksource/clocksource0"


def describe(root: Path, cpus: Collection[int]) -> dict[str, Any]:
    """Return the facts about the CPUs `cpus`, None where unknown."""
    processors = read_cpuinfo(root)
    core_of = topology(root)
    features = vector_features(processors)
    virtualised, hypervisor = virtualisation(root, processors)
    return {
        "model": model(processors),
        "logical_cores": len(cpus) or None,
        "physical_cores": len({core_of[cpu] for cpu in cpus if cpu in core_of}) or None,
        "vector_features": features,
        "vector_bits": vector_bits(root, features or []),
        "caches": caches(root, cpus, core_of),
        "memory_bytes": memory_bytes(root),
        "virtualised": virtualised,
        "hypervisor": hypervisor,
        "governor": governor(root, cpus),
    }


def read_cpuinfo(root: Path) -> list[dict[str, str]]:
    """Return the processors of /proc/cpuinfo, each kind once.

    On x86 all CPUs have one name and the same instructions, and to write the
    clock of a CPU the kernel interrupts it: only the first is read.
    """
    kinds: dict[tuple, dict[str, str]] = {}
    for processor in _paragraphs(root / "proc/cpuinfo"):
        if "flags" in processor:
            return [processor]
        names = ("model name", "CPU implementer", "CPU part", "Features")
        kinds.setdefault(tuple(processor.get(name) for name in names), processor)
    return list(kinds.values())


def model(processors: list[dict[str, str]]) -> str | None:
    """Return the processor's name; two names joined where cores differ."""
    names = []
    for processor in processors:
        part = (processor.get("CPU implementer"), processor.get("CPU part"))
        if "model name" in processor:
            names.append(processor["model name"])
        elif all(part):
            names.append(ARM_PARTS.get(part, f"ARM implementer {part[0]}, part {part[1]}"))
    return " + ".join(dict.fromkeys(names)) or None


def vector_features(processors: list[dict[str, str]]) -> list[str] | None:
    """Return the vector instructions that every processor has, narrow to wide."""
    listed = [set((p.get("flags") or p.get("Features", "")).split()) for p in processors]
    common = set.intersection(*filter(None, listed)) if any(listed) else set()
    if "asimd" in common:  # what 64-bit ARM kernels call Neon
        common.add("neon")
    return [name for name in X86_FEATURES + ARM_FEATURES if name in common] or None


def vector_bits(root: Path, features: list[str]) -> int | None:
    """Return the width of the widest vector register."""
    if "sve" in features:  # 128 to 2048 bits, by implementation and set-up
        length_bytes = _read(root / "proc/sys/abi/sve_default_vector_length")
        return 8 * int(length_bytes) if length_bytes else None
    widths = {"avx512f": 512, "avx": 256, "sse2": 128, "neon": 128}
    return next((bits for name, bits in widths.items() if name in features), None)


def topology(root: Path) -> dict[int, str]:
    """Map each logical CPU to its core, named by the list of CPUs that share it."""
    folders = (root / _CPU).glob("cpu[0-9]*")
    siblings = {f.name: _read(f / "topology/thread_siblings_list") for f in folders}
    return {int(name.removeprefix("cpu")): core for name, core in siblings.items() if core}


def caches(
    root: Path, cpus: Collection[int], core_of: dict[int, str]
) -> list[dict[str, Any]] | None:
    """Return the different caches, from the core outwards.

    Returns
    -------
    list of dict or None
        ``level``, ``type``, ``size_bytes``, ``line_bytes``, ``ways``,
        ``shared_by`` (logical CPUs), ``shared_by_cores``, and ``cpus``: how
        many of `cpus` have such a cache. On a hybrid processor one level has
        several entries. Each value can be None.
    """
    kind_of: dict[tuple[str, int], tuple] = {}  # (index, cpu): a shared cache is read once
    for cpu in cpus:
        for folder in (root / _CPU / f"cpu{cpu}/cache").glob("index[0-9]*"):
            if (folder.name, cpu) not in kind_of:
                sharers = cpu_list(_read(folder / "shared_cpu_list")) or {cpu}
                kind = _cache(folder, sharers, core_of)
                kind_of.update({(folder.name, sharer): kind for sharer in sharers})
    count = Counter(kind for (_, cpu), kind in kind_of.items() if cpu in cpus)
    found = [{**dict(kind), "cpus": number} for kind, number in count.items()]
    return sorted(found, key=lambda c: (c["level"] or 0, c["type"] or "", -c["cpus"])) or None


def _cache(folder: Path, sharers: set[int], core_of: dict[int, str]) -> tuple:
    facts = {
        "level": _number(folder / "level"),
        "type": (_read(folder / "type") or "").lower() or None,
        "size_bytes": _number(folder / "size"),
        "line_bytes": _number(folder / "coherency_line_size"),
        "ways": _number(folder / "ways_of_associativity"),
        "shared_by": len(sharers),
        "shared_by_cores": len({core_of.get(cpu, cpu) for cpu in sharers}),
    }
    return tuple(facts.items())


def memory_bytes(root: Path) -> int | None:
    """Return the size of main memory."""
    for fields in _paragraphs(root / "proc/meminfo"):
        if "MemTotal" in fields:
            return int(fields["MemTotal"].split()[0]) * 1024
    return None


def virtualisation(root: Path, processors: list[dict[str, str]]) -> tuple[bool | None, str | None]:
    """Return whether this is a virtual machine, and the hypervisor or "none"."""
    files = ("sys/class/dmi/id/sys_vendor", "sys/class/dmi/id/product_name",
             "sys/hypervisor/type", f"{_CLOCK}/available_clocksource")  # fmt: skip
    traces = " ".join(_read(root / file) or "" for file in files).lower()
    name = next((HYPERVISORS[words] for words in HYPERVISORS if words in traces), None)
    flags = [processor["flags"].split() for processor in processors if "flags" in processor]
    if flags:  # on x86 the processor itself says so
        virtual = "hypervisor" in flags[0]
        return virtual, name if virtual else "none"
    # A cloud rents out whole computers under the same vendor's name.
    return (True, name) if name and "metal" not in traces else (None, None)


def governor(root: Path, cpus: Collection[int]) -> str | None:
    """Return what sets the clock of the CPUs, such as "performance"."""
    texts = {_read(root / _CPU / f"cpu{cpu}/cpufreq/scaling_governor") for cpu in cpus}
    return " and ".join(sorted(filter(None, texts))) or None


def load(root: Path, cpus: Collection[int]) -> dict[str, Any]:
    """Return facts that change while one looks; see `accel.timing.machine.load`."""
    return {
        "ticks": ticks(root, cpus),
        "mhz": clock_mhz(root, cpus),
        "cpu_quota": cpu_quota(root),
    }


def ticks(root: Path, cpus: Collection[int]) -> dict[str, int] | None:
    """Return how long the CPUs ran, and how long they waited for the hypervisor.

    Guest time is part of user time already and is not added again.
    """
    names = {f"cpu{cpu}" for cpu in cpus}
    lines = [line.split() for line in (_read(root / "proc/stat") or "").splitlines()]
    rows = [[int(n) for n in words[1:9]] for words in lines if words and words[0] in names]
    if not rows or any(len(row) < 8 for row in rows):
        return None
    user, nice, system, _idle, _wait, irq, softirq, stolen = map(sum, zip(*rows, strict=True))
    return {"busy": user + nice + system + irq + softirq, "stolen": stolen}


def clock_mhz(root: Path, cpus: Collection[int]) -> float | None:
    """Return the middle one of the CPUs' present clocks."""
    rates = [
        float(fields["cpu MHz"])
        for fields in _paragraphs(root / "proc/cpuinfo")
        if "cpu MHz" in fields and int(fields["processor"]) in cpus
    ]
    if not rates:
        files = (root / _CPU / f"cpu{cpu}/cpufreq/scaling_cur_freq" for cpu in cpus)
        rates = [int(khz) / 1000 for khz in map(_read, files) if khz]
    return sorted(rates)[len(rates) // 2] if rates else None


def cpu_quota(root: Path) -> float | None:
    """Return how many CPUs' time the control group may use, None without a limit.

    The limit of any group above counts too. Out of quota, every thread of the
    group stands still for the rest of the period, usually 0.1 s.
    """
    group = next(
        (line[3:] for line in (_read(root / "proc/self/cgroup") or "").splitlines()
         if line.startswith("0::")), "/"
    )  # fmt: skip
    path = Path(group.lstrip("/"))
    quotas = []
    for folder in (path, *path.parents):
        limit, _, period = (_read(root / "sys/fs/cgroup" / folder / "cpu.max") or "").partition(" ")
        if limit.isdigit():
            quotas.append(int(limit) / int(period))
    return min(quotas, default=None)


def cpu_list(text: str | None) -> set[int]:
    """Return the CPUs of a kernel list.

    >>> sorted(cpu_list("0-2,8"))
    [0, 1, 2, 8]
    """
    found: set[int] = set()
    for part in filter(None, (text or "").split(",")):
        first, _, last = part.partition("-")
        found.update(range(int(first), int(last or first) + 1))
    return found


def _number(path: Path) -> int | None:
    """Return a positive number from a file, with the kernel's K, M or G applied."""
    text = _read(path) or ""
    scale = {"K": 2**10, "M": 2**20, "G": 2**30}.get(text[-1:], 1)
    digits = text.rstrip("KMG")
    return int(digits) * scale or None if digits.isdigit() else None


def _paragraphs(path: Path) -> Iterator[dict[str, str]]:
    """Yield ``key : value`` paragraphs, reading no further than they are asked for."""
    fields: dict[str, str] = {}
    try:
        with path.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                key, colon, value = line.partition(":")
                if colon:
                    fields[key.strip()] = value.strip()
                elif fields:
                    yield fields
                    fields = {}
    except OSError:
        return  # no such file here: nothing is known
    if fields:
        yield fields


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip() or None
    except OSError:
        return None  # no such file here: the fact is unknown
