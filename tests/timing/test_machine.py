"""What a computer is, told from file systems of computers that are not here."""

import inspect
import json
import os
import platform
import subprocess
import sys

import numba.core.config
import pytest

from accel.timing import machine
from accel.timing.machine import linux as of_linux
from accel.timing.machine import macos as of_macos

SOFTWARE = {
    "python": "3.11.9",
    "numpy": "2.4.0",
    "numba": "0.68.0",
    "llvmlite": "0.50.0",
    "blas": [{"name": "openblas", "version": "0.3.31", "kernel_family": "Haswell", "threads": 1}],
}
QUIET = {"load_average": [0.0, 0.0, 0.0], "ticks": None, "mhz": None, "cpu_quota": None}


def plant(root, files):
    """Write files, named by their path, below `root`."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n", encoding="utf-8")
    return root


def cache(cpu, index, level, kind, size, ways, shared):
    """Files of one cache as one CPU sees it."""
    folder = f"sys/devices/system/cpu/cpu{cpu}/cache/index{index}"
    return {
        f"{folder}/level": level,
        f"{folder}/type": kind,
        f"{folder}/size": size,
        f"{folder}/coherency_line_size": 64,
        f"{folder}/ways_of_associativity": ways,
        f"{folder}/shared_cpu_list": shared,
    }


def siblings(cpu, shared):
    return {f"sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list": shared}


@pytest.fixture
def hybrid(tmp_path):
    """An Intel desktop: 2 fast cores with two threads each, 4 frugal cores."""
    files = {
        "proc/cpuinfo": "processor : 0\nmodel name : 12th Gen Intel(R) Core(TM) i5\n"
        "cpu MHz : 800.0\nflags : fpu sse2 sse4_2 avx f16c fma avx2 avx_vnni vmx\n",
        "proc/meminfo": "MemTotal:       16777216 kB\nMemFree:  1 kB",
    }
    for cpu in range(4):
        pair = f"{cpu // 2 * 2}-{cpu // 2 * 2 + 1}"
        files |= siblings(cpu, pair)
        files |= cache(cpu, 0, 1, "Data", "48K", 12, pair)
        files |= cache(cpu, 1, 1, "Instruction", "32K", 8, pair)
        files |= cache(cpu, 2, 2, "Unified", "1280K", 10, pair)
        files |= cache(cpu, 3, 3, "Unified", "12288K", 12, "0-7")
    for cpu in range(4, 8):
        files |= siblings(cpu, cpu)
        files |= cache(cpu, 0, 1, "Data", "32K", 8, cpu)
        files |= cache(cpu, 1, 1, "Instruction", "64K", 8, cpu)
        files |= cache(cpu, 2, 2, "Unified", "2048K", 16, "4-7")
        files |= cache(cpu, 3, 3, "Unified", "12288K", 12, "0-7")
    for cpu in range(8):
        files[f"sys/devices/system/cpu/cpu{cpu}/cpufreq/scaling_governor"] = "powersave"
        files[f"sys/devices/system/cpu/cpu{cpu}/cpufreq/scaling_cur_freq"] = 1000000 + 1000 * cpu
    return plant(tmp_path, files)


@pytest.fixture
def rented(tmp_path):
    """An AMD virtual machine of 2 CPUs that hides its firmware."""
    files = {
        "proc/cpuinfo": "processor : 0\nmodel name : AMD EPYC\ncpu MHz : 2596.1\n"
        "flags : sse2 avx avx2 fma hypervisor avx512f avx512_bf16\n\n"
        "processor : 1\nmodel name : AMD EPYC\ncpu MHz : 2600.5\n"
        "flags : sse2 avx avx2 fma hypervisor avx512f avx512_bf16\n",
        "sys/devices/system/clocksource/clocksource0/available_clocksource": "tsc kvm-clock",
        "proc/stat": "cpu  30 0 3 300 0 0 0 3 0 0\ncpu0 10 1 2 100 9 3 4 5 8 0\n"
        "cpu1 20 0 1 200 0 0 0 0 0 0\nintr 1 2 3",
        "proc/self/cgroup": "0::/pod/container",
        "sys/fs/cgroup/cpu.max": "max 100000",
        "sys/fs/cgroup/pod/cpu.max": "150000 100000",
        "sys/fs/cgroup/pod/container/cpu.max": "max 100000",
    }
    for cpu in range(2):
        files |= siblings(cpu, cpu) | cache(cpu, 0, 1, "Data", "32K", 8, cpu)
        files |= cache(cpu, 1, 3, "Unified", "32768K", 16, "0-1")
    return plant(tmp_path, files)


@pytest.fixture
def graviton(tmp_path):
    """An ARM server in a cloud: numbers for names, scalable vectors, no ways."""
    processor = "BogoMIPS : 2100\nFeatures : fp asimd asimdhp asimddp sve i8mm bf16\n" \
        "CPU implementer : 0x41\nCPU part : 0xd40\n"  # fmt: skip
    folder = "sys/devices/system/cpu/cpu0/cache/index0"
    return plant(
        tmp_path,
        {
            "proc/cpuinfo": f"processor : 0\n{processor}\nprocessor : 1\n{processor}",
            "proc/sys/abi/sve_default_vector_length": 32,
            "sys/class/dmi/id/sys_vendor": "Amazon EC2",
            "sys/class/dmi/id/product_name": "c7g.large",
            f"{folder}/level": 1,
            f"{folder}/type": "Data",
            f"{folder}/size": "64K",
        },
    )


APPLE = {
    "machdep.cpu.brand_string": "Apple M2",
    "hw.logicalcpu": "8",
    "hw.physicalcpu": "8",
    "hw.memsize": "17179869184",
    "hw.cachelinesize": "128",
    "hw.nperflevels": "2",
    "hw.perflevel0.physicalcpu": "4",
    "hw.perflevel0.logicalcpu": "4",
    "hw.perflevel0.l1dcachesize": "131072",
    "hw.perflevel0.l2cachesize": "16777216",
    "hw.perflevel0.cpusperl2": "4",
    "hw.perflevel1.physicalcpu": "4",
    "hw.perflevel1.logicalcpu": "4",
    "hw.perflevel1.l1dcachesize": "65536",
    "hw.perflevel1.l2cachesize": "4194304",
    "hw.perflevel1.cpusperl2": "4",
    "hw.optional.neon": "1",
    "hw.optional.arm.FEAT_BF16": "1",
    "hw.optional.arm.FEAT_SME": "0",
    "kern.hv_vmm_present": "0",
}
INTEL_MAC = {
    "machdep.cpu.brand_string": "Intel(R) Core(TM) i7",
    "machdep.cpu.features": "FPU SSE2 SSE4.2 AVX1.0 FMA",
    "machdep.cpu.leaf7_features": "AVX2 BMI2",
    "hw.logicalcpu": "12",
    "hw.physicalcpu": "6",
    "hw.cachelinesize": "64",
    "hw.cacheconfig": "12 2 2 12 0 0",
    "hw.l1dcachesize": "32768",
    "hw.l2cachesize": "262144",
    "hw.l3cachesize": "12582912",
}


def linux(root, cpus, architecture="x86_64"):
    return machine.describe(system="Linux", architecture=architecture, root=root, cpus=cpus)


def mac(facts):
    return machine.describe(system="Darwin", architecture="arm64", sysctl=lambda: facts)


def test_hybrid_processor_lists_the_caches_of_both_kinds_of_core(hybrid):
    facts = linux(hybrid, range(8))
    second = [c for c in facts["caches"] if c["level"] == 2]
    assert (facts["logical_cores"], facts["physical_cores"]) == (8, 6)
    keys = ("size_bytes", "ways", "shared_by", "shared_by_cores", "cpus")
    assert [[c[key] for key in keys] for c in second] == [
        [1280 * 1024, 10, 2, 1, 4],
        [2048 * 1024, 16, 4, 4, 4],
    ]
    rows = dict(machine.card(facts, SOFTWARE))
    assert rows["L2 cache"] == (
        "1.25 MiB per core, 10-way, 64-byte lines (on 4 CPUs); "
        "2 MiB shared by 4 cores, 16-way, 64-byte lines (on 4 CPUs)"
    )
    assert rows["L3 cache"] == "12 MiB shared by 6 cores, 12-way, 64-byte lines"


def test_process_bound_to_some_cpus_sees_only_those(hybrid):
    facts = linux(hybrid, [4, 5])
    assert (facts["logical_cores"], facts["physical_cores"]) == (2, 2)
    assert [c["size_bytes"] for c in facts["caches"]] == [2**15, 2**16, 2**21, 12 * 2**20]
    assert {c["cpus"] for c in facts["caches"]} == {2}


def test_real_x86_computer_is_not_virtual_and_knows_everything(hybrid):
    facts = linux(hybrid, range(8))
    assert (facts["virtualised"], facts["hypervisor"]) == (False, "none")
    assert facts["vector_bits"] == 256
    assert facts["memory_bytes"] == 16 * 2**30
    assert facts["governor"] == "powersave"
    assert facts["unknown"] == {}


def test_virtual_machine_is_named_by_its_clock_source(rented):
    facts = linux(rented, [0, 1])
    assert (facts["virtualised"], facts["hypervisor"]) == (True, "KVM")
    assert facts["vector_features"] == ["sse2", "avx", "fma", "avx2", "avx512f", "avx512_bf16"]
    assert facts["vector_bits"] == 512
    assert facts["governor"] is None
    assert "leaves the clock to its host" in facts["unknown"]["governor"]
    assert "no total" in facts["unknown"]["memory_bytes"]


def test_arm_server_has_a_name_neon_and_the_kernel_s_vector_length(graviton):
    facts = linux(graviton, [0, 1], "aarch64")
    assert facts["model"] == "Arm Neoverse V1"
    assert facts["vector_features"] == ["neon", "asimdhp", "asimddp", "i8mm", "bf16", "sve"]
    assert facts["vector_bits"] == 256
    assert (facts["virtualised"], facts["hypervisor"]) == (True, "Amazon EC2")
    assert facts["caches"][0]["ways"] is None
    assert dict(machine.card(facts, SOFTWARE))["L1 data cache"] == "64 KiB per core"


@pytest.mark.parametrize(
    ("product", "virtual"), [("c7g.metal", None), ("c7g.large", True)], ids=["metal", "rented"]
)
def test_arm_metal_instance_is_not_called_virtual(graviton, product, virtual):
    plant(graviton, {"sys/class/dmi/id/product_name": product})
    assert linux(graviton, [0], "aarch64")["virtualised"] is virtual


def test_two_kinds_of_arm_core_give_two_names_and_their_common_features(tmp_path):
    plant(
        tmp_path,
        {
            "proc/cpuinfo": "processor : 0\nFeatures : fp asimd\nCPU implementer : 0x41\n"
            "CPU part : 0xd03\n\nprocessor : 1\nFeatures : fp asimd asimddp\n"
            "CPU implementer : 0x41\nCPU part : 0xfff\n\nHardware : Board\nSerial : 1234"
        },
    )
    facts = linux(tmp_path, [0, 1], "aarch64")
    assert facts["model"] == "Arm Cortex-A53 + ARM implementer 0x41, part 0xfff"
    assert facts["vector_features"] == ["neon"]
    assert "1234" not in json.dumps(facts)


def test_linux_without_its_files_gives_reasons_and_a_card(tmp_path):
    facts = linux(tmp_path, [0])
    missing = {name for name, value in facts.items() if value is None}
    assert missing == set(facts["unknown"]) == of_linux.REASONS.keys() - {"logical_cores"}
    assert dict(machine.card(facts, SOFTWARE))["Caches"] == "unknown: sysfs lists no caches"


def test_apple_processor_has_caches_for_fast_and_frugal_cores():
    facts = mac(APPLE)
    assert facts["model"] == "Apple M2"
    assert facts["vector_features"] == ["neon", "bf16"]
    assert facts["vector_bits"] == 128
    assert (facts["virtualised"], facts["hypervisor"]) == (False, "none")
    assert [(c["level"], c["size_bytes"], c["shared_by_cores"]) for c in facts["caches"]] == [
        (1, 2**17, 1), (1, 2**16, 1), (2, 2**24, 4), (2, 2**22, 4)]  # fmt: skip
    assert "governs the clock itself" in facts["unknown"]["governor"]


def test_intel_mac_shares_caches_as_its_configuration_says():
    facts = mac(INTEL_MAC)
    assert facts["vector_features"] == ["sse2", "sse4_2", "avx", "fma", "avx2"]
    assert [(c["level"], c["shared_by"], c["shared_by_cores"]) for c in facts["caches"]] == [
        (1, 2, 1), (2, 2, 1), (3, 12, 6)]  # fmt: skip
    assert "hv_vmm_present" in facts["unknown"]["virtualised"]


def test_silent_sysctl_leaves_everything_unknown_with_reasons():
    facts = mac({})
    assert set(facts["unknown"]) == set(of_macos.REASONS)


def test_sysctl_that_is_not_there_answers_nothing(monkeypatch):
    monkeypatch.setattr(of_macos, "SYSCTL", "/no/such/program")
    assert of_macos.read_sysctl() == {}


def test_both_systems_can_explain_the_same_facts():
    assert of_linux.REASONS.keys() == of_macos.REASONS.keys()


def test_other_systems_are_named_in_the_reason():
    facts = machine.describe(system="Windows", architecture="AMD64")
    assert facts["logical_cores"] == os.cpu_count()
    assert facts["model"] is None
    assert facts["unknown"]["model"].endswith("not Windows")
    assert machine.card(facts, SOFTWARE)


def test_this_computer_is_described_without_numba_and_without_its_name():
    program = (
        "import json, sys; from accel.timing import machine; facts = machine.describe();"
        "print(json.dumps([facts, 'numba' in sys.modules]))"
    )
    answer = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    facts, numba_loaded = json.loads(answer.stdout)
    assert facts["system"] == platform.system()
    assert not numba_loaded
    assert f'"{platform.node()}"' not in answer.stdout


def test_load_counts_the_ticks_of_the_cpus_in_use(rented):
    facts = machine.load(root=rented, cpus=[0])
    assert facts["ticks"] == {"busy": 10 + 1 + 2 + 3 + 4, "stolen": 5}
    assert facts["mhz"] == 2596.1
    assert machine.load(root=rented, cpus=[0, 1])["ticks"] == {"busy": 41, "stolen": 5}


def test_clock_without_cpuinfo_comes_from_sysfs(hybrid):
    (hybrid / "proc/cpuinfo").unlink()
    assert machine.load(root=hybrid, cpus=[0, 1, 2])["mhz"] == 1001.0


def test_tightest_cpu_quota_of_the_groups_above_counts(rented):
    assert machine.load(root=rented, cpus=[0, 1])["cpu_quota"] == 1.5


def test_load_of_a_silent_system_is_unknown(tmp_path):
    facts = machine.load(root=tmp_path, cpus=[])
    assert (facts["ticks"], facts["mhz"], facts["cpu_quota"]) == (None, None, None)


@pytest.mark.parametrize(
    ("busy", "stolen", "share"), [(90, 10, 0.1), (0, 0, 0.0), (50, 0, 0.0), (0, 7, 1.0)]
)
def test_steal_is_a_share_of_the_time_that_was_wanted(busy, stolen, share):
    before = {"ticks": {"busy": 1000, "stolen": 30}}
    after = {"ticks": {"busy": 1000 + busy, "stolen": 30 + stolen}}
    assert machine.steal_fraction(before, after) == share


def test_steal_is_unknown_where_it_is_not_counted():
    assert machine.steal_fraction({"ticks": None}, {"ticks": {"busy": 1, "stolen": 0}}) is None


def test_software_names_versions_and_the_blas_that_runs():
    facts = machine.software()
    assert facts["python"] == platform.python_version()
    assert facts["numba"] == numba.__version__
    assert facts["blas"]
    assert set(facts["blas"][0]) == {"name", "version", "kernel_family", "threads"}


def test_package_that_is_not_installed_has_no_version():
    assert machine.version("no-such-distribution-of-accel") is None


def test_fingerprint_is_deaf_to_what_changes_by_the_minute(rented):
    facts = linux(rented, [0, 1])
    other = facts | {"memory_bytes": 1, "governor": "performance", "hypervisor": None}
    threads = SOFTWARE | {"blas": [SOFTWARE["blas"][0] | {"threads": 64}]}
    print_ = machine.fingerprint(facts, SOFTWARE)
    assert len(print_) == 16
    assert int(print_, 16) >= 0
    assert machine.fingerprint(other, threads) == print_


@pytest.mark.parametrize(
    ("facts", "software"),
    [
        ({"model": "Other"}, {}),
        ({"vector_features": ["sse2"]}, {}),
        ({"caches": None}, {}),
        ({}, {"numpy": "2.4.1"}),
        ({}, {"numba": None}),
        ({}, {"blas": []}),
    ],
)
def test_fingerprint_hears_hardware_and_versions(rented, facts, software):
    here = linux(rented, [0, 1])
    changed = machine.fingerprint(here | facts, SOFTWARE | software)
    assert changed != machine.fingerprint(here, SOFTWARE)


def test_clean_environment_lacks_exactly_the_overrides():
    environ = {"HOME": "/", "OPENBLAS_CORETYPE": "Haswell", "NUMBA_OPT": "", "OMP_NUM_THREADS": "1"}
    cleaned, removed = machine.clean(environ)
    assert cleaned == {"HOME": "/", "OMP_NUM_THREADS": "1"}
    assert removed == {"OPENBLAS_CORETYPE": "Haswell"}
    assert len(environ) == 4


def test_forced_kernels_do_not_reach_a_process_with_a_clean_environment():
    program = "from accel.timing import machine; print(machine.software()['blas'])"
    families = [
        subprocess.run(
            [sys.executable, "-c", program],
            env=machine.clean(os.environ | forced)[0],
            capture_output=True,
            check=True,
        ).stdout
        for forced in ({}, {"OPENBLAS_CORETYPE": "Prescott", "NPY_DISABLE_CPU_FEATURES": "AVX2"})
    ]
    assert families[0] == families[1]


@pytest.mark.parametrize("name", [n for n in machine.OVERRIDES if n.startswith("NUMBA_")])
def test_numba_reads_every_variable_listed_for_it(name):
    assert f'"{name}"' in inspect.getsource(numba.core.config)


def test_quiet_computer_with_nothing_forced_has_no_warnings(hybrid):
    facts = linux(hybrid, range(8)) | {"governor": "performance"}
    assert machine.warnings(facts, SOFTWARE, {"HOME": "/"}, QUIET) == []


def test_each_trouble_gives_one_line_that_says_what_to_do(hybrid):
    facts = linux(hybrid, range(8)) | {"virtualised": True, "vector_bits": 512}
    trouble = {"load_average": [4.5, 0, 0], "cpu_quota": 1.5}
    found = machine.warnings(facts, SOFTWARE, {"OPENBLAS_CORETYPE": "Haswell"}, QUIET | trouble)
    signs = (
        "unset OPENBLAS_CORETYPE",
        "Haswell kernels",
        "cpupower",
        "virtual machine",
        "Load average 4.5 on 8 CPUs",
        "1.5 of 8 CPUs",
    )
    assert len(found) == len(signs)
    assert all(sign in line for sign, line in zip(signs, found, strict=True))
    assert not any("\n" in line for line in found)


def test_load_of_half_the_cpus_is_still_quiet(hybrid):
    facts = linux(hybrid, range(8)) | {"governor": None}
    assert machine.warnings(facts, SOFTWARE, {}, QUIET | {"load_average": [4.0, 9, 9]}) == []


def test_card_says_every_fact_in_words(rented):
    rows = dict(machine.card(linux(rented, [0, 1]), SOFTWARE))
    assert rows["System"] == "Linux on x86_64"
    assert rows["Cores"] == "2 cores"
    assert rows["Logical CPUs"] == "2 usable by this process"
    assert rows["Widest vector"] == "512 bits: 16 float32 or 8 float64"
    assert rows["L1 data cache"] == "32 KiB per core, 8-way, 64-byte lines"
    assert rows["Memory"].startswith("unknown: ")
    assert rows["BLAS"] == "openblas 0.3.31, Haswell kernels, 1 thread"


def test_card_of_a_blas_that_does_not_speak_says_so():
    blas = {"name": "accelerate", "version": None, "kernel_family": None, "threads": None}
    rows = dict(machine.card(mac(APPLE), SOFTWARE | {"blas": [blas]}))
    assert rows["BLAS"] == (
        "accelerate (version unknown), kernel family unknown: the library does not say, "
        "threads unknown: the library does not say"
    )


def test_the_weather_says_load_clock_stolen_time_and_limit_in_words():
    rows = dict(
        machine.weather(
            {
                "load_average": [0.5, 1.0, 2.25], "mhz": 3675.4,
                "ticks": {"busy": 900, "stolen": 100}, "cpu_quota": 1.5,
            }
        )
    )  # fmt: skip
    assert rows == {
        "Load average": "0.50, 1.00, 2.25 over 1, 5 and 15 minutes",
        "Clock now": "3.68 GHz",
        "Withheld by the hypervisor": "10.00% since the start",
        "Share of the CPUs": "1.5 CPUs' worth of time",
    }


def test_weather_that_a_system_does_not_tell_is_unknown():
    unknown = dict.fromkeys(("load_average", "mhz", "ticks", "cpu_quota"))
    values = dict(machine.weather(unknown))
    assert values.pop("Share of the CPUs") == "no limit"
    assert set(values.values()) == {"unknown: this system does not say"}


def test_no_time_run_is_no_time_withheld():
    facts = {**dict.fromkeys(("load_average", "mhz", "cpu_quota")), "ticks": {"busy": 0, "stolen": 0}}
    assert dict(machine.weather(facts))["Withheld by the hypervisor"] == "0.00% since the start"
