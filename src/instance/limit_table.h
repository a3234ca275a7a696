/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef INSTANCE_LIMIT_TABLE_H
#define INSTANCE_LIMIT_TABLE_H

/*
 * Every limit that an instance can have: a row each, and nothing of it anywhere else. limits.c makes the rows of
 * limits_table of it (struct limits_row says what the rest of a row is), cli/recipe_check.c the options of `run` and
 * `create`.
 *
 *   ROW(name, letter, metavar, help, ...)	   given as an assignment, in the struct's list `limits`
 *   OWN(name, type, member, metavar, complete, help, ...)	   an option that has a member of its own there, or completes
 *
 * The name is that of the option, and the key for `brig set`.
 */
#define LIMIT_TABLE(ROW, OWN)                                                                      \
	ROW("cpus", 0, "N", "at most this many CPUs, as 2 or 0.5", CPUS(cpus_milli),               \
	    CONTAINER("time of so many processors"),                                               \
	    VM("as many virtual processors, rounded up, and time of so many"), IN(CGROUP_CPU),     \
	    .apply = limits_apply_cpus)                                                            \
	ROW("cpu-weight", 0, "N", "its part of busy CPUs, 1 to 10000; others have 100",            \
	    NUMBER(cpu_weight), RANGE(1, 10000, "it is 1 to 10000"),                               \
	    CONTAINER("its part of the time when all want some"), VM("the same, of all its CPUs"), \
	    IN(CGROUP_CPU), V1("cpu.shares", "1024"), V2("cpu.weight", "100"),                     \
	    .format = limits_format_cpu_weight)                                                    \
	ROW("cpu-shares", 0, "N", "the same, as docker counts: others have 1024",                  \
	    .value = &limits_shares, MEMBER(cpu_weight), RANGE(2, 262144, "it is 2 to 262144"),    \
	    CONTAINER("cpu-weight"), VM("cpu-weight"), IN(CGROUP_CPU), V1("cpu.shares", "1024"),   \
	    V2("cpu.weight", "100"), .format = limits_format_cpu_weight, .is_alias = 1)            \
	ROW("cpuset-cpus", 0, "LIST", "only these CPUs of the host, as 0-3,8", SETS(cpuset_cpus),  \
	    CONTAINER("it runs on these"), VM("its virtual processors do"), IN(CGROUP_CPUSET),     \
	    V1("cpuset.cpus", NULL), V2("cpuset.cpus", NULL),                                      \
	    .otherwise = "/sys/devices/system/cpu/online")                                         \
	ROW("cpuset-mems", 0, "LIST", "memory of only these NUMA nodes, as 0,1",                   \
	    SETS(cpuset_mems), CONTAINER("its memory is there"),                                   \
	    VM("the guest's memory is there"), IN(CGROUP_CPUSET), V1("cpuset.mems", NULL),         \
	    V2("cpuset.mems", NULL), .otherwise = "/sys/devices/system/node/online")               \
	ROW("memory", 'm', "SIZE", "at most this much memory; a VM has 512m if it is not given",   \
	    SIZE(memory), CONTAINER("what it uses at most"), VM("the memory of the machine"),      \
	    IN(CGROUP_MEMORY), .apply = limits_apply_memory)                                       \
	ROW("memory-reservation", 0, "SIZE", "leave it this much when the host wants for memory",  \
	    SIZE(memory_low), CONTAINER("this much of it is reclaimed last"),                      \
	    VM("the same of the guest's memory"), IN(CGROUP_MEMORY),                               \
	    V1("memory.soft_limit_in_bytes", "-1"), V2("memory.low", "0"))                         \
	ROW("memory-high", 0, "SIZE", "from here on slow it down and reclaim, on cgroup v2",       \
	    SIZE(memory_high), CONTAINER("beyond it is reclaimed, and it is slowed down"),         \
	    VM("beyond it the host swaps the guest's memory"), IN(CGROUP_MEMORY),                  \
	    V2("memory.high", "max"), .format = limits_format_high)                                \
	ROW("memory-weight", 0, "N",                                                               \
	    "how dear its memory is to 'balance', 1 to 10000; others: 100", NUMBER(memory_weight), \
	    RANGE(1, 10000, "it is 1 to 10000"),                                                   \
	    CONTAINER("of more than others' less is taken when the host wants for memory"),        \
	    VM("the same"), .apply = limits_apply_later)                                           \
	ROW("memory-swap", 0, "SIZE", "memory and swap together; -1 is any; else no swap",         \
	    .value = &limits_swap, MEMBER(memory_swap), CONTAINER("what it uses with swap"),       \
	    VM("the same of the guest's memory on the host"), IN(CGROUP_MEMORY),                   \
	    .apply = limits_apply_memory)                                                          \
	ROW("pids-limit", 0, "N", "at most this many processes; 0 is no limit",                    \
	    NUMBER(pids_limit), RANGE(0, 4194304, "it is 0 or more"),                              \
	    CONTAINER("its processes and threads"), VM("those of the workload in the guest"),      \
	    IN(CGROUP_PIDS), .within = 1, V1("pids.max", "max"), V2("pids.max", "max"))            \
	ROW("io-weight", 0, "N", "its part of busy disks, 1 to 10000; others have 100",            \
	    NUMBER(io_weight), RANGE(1, 10000, "it is 1 to 10000"),                                \
	    CONTAINER("its part of the host's disks"), VM("the same, of what its disks do there"), \
	    IN(CGROUP_BLKIO), V1("blkio.bfq.weight", "100"), OTHER_V1("blkio.weight"),             \
	    V2("io.bfq.weight", "100"), OTHER_V2("io.weight"), .format = limits_format_io_weight)  \
	ROW("blkio-weight", 0, "N", "the same, 10 to 1000", NUMBER(io_weight),                     \
	    RANGE(10, 1000, "it is 10 to 1000"), CONTAINER("io-weight"), VM("io-weight"),          \
	    IN(CGROUP_BLKIO), V1("blkio.bfq.weight", "100"), OTHER_V1("blkio.weight"),             \
	    V2("io.bfq.weight", "100"), OTHER_V2("io.weight"), .format = limits_format_io_weight,  \
	    .is_alias = 1)                                                                         \
	ROW("device-read-bps", 0, "[DEVICE:]RATE", "bytes a second, as 10m or /dev/sda:10m",       \
	    .value = &limits_bytes, MEMBER(read_bps),                                              \
	    CONTAINER("of the device; else of that which brig's files are on"),                    \
	    VM("of the host's device; else of each of its own disks"), IN(CGROUP_BLKIO),           \
	    THROTTLE("read_bps", "rbps"))                                                          \
	ROW("device-write-bps", 0, "[DEVICE:]RATE", "the same of what it writes",                  \
	    .value = &limits_bytes, MEMBER(write_bps), CONTAINER("likewise"), VM("likewise"),      \
	    IN(CGROUP_BLKIO), THROTTLE("write_bps", "wbps"))                                       \
	ROW("device-read-iops", 0, "[DEVICE:]N", "operations a second, as 100 or /dev/sda:100",    \
	    .value = &limits_operations, MEMBER(read_iops), CONTAINER("likewise"), VM("likewise"), \
	    IN(CGROUP_BLKIO), THROTTLE("read_iops", "riops"))                                      \
	ROW("device-write-iops", 0, "[DEVICE:]N", "the same of those that write",                  \
	    .value = &limits_operations, MEMBER(write_iops), CONTAINER("likewise"),                \
	    VM("likewise"), IN(CGROUP_BLKIO), THROTTLE("write_iops", "wiops"))                     \
	OWN("net-rate", OPTION_RATE, net_rate, "RATE", NULL,                                       \
	    "at most so fast on each network, each way, as 100mbit", .value = &limits_net_rate,    \
	    MEMBER(networks), CONTAINER("each of its interfaces, each way"),                       \
	    VM("each of its cards, each way"))                                                     \
	ROW("hugetlb", 0, "PAGE:SIZE", "huge pages of this size that it can use, as 2m:64m",       \
	    .value = &limits_pages, MEMBER(hugetlb), CONTAINER("so much in such pages"),           \
	    .why = "its memory is one piece: --hugepages takes that from the host's pool",         \
	    IN(CGROUP_HUGETLB), .apply = limits_apply_pages)                                       \
	OWN("hugepages", OPTION_FLAG, huge_pages, NULL, NULL,                                      \
	    "VM: take its memory from the host's pool of huge pages", FLAG(huge_pages),            \
	    VM("its memory is of huge pages"),                                                     \
	    .why = "only a VM's memory is one piece; add --vm, or give --hugetlb a limit")         \
	OWN("oom-kill-disable", OPTION_FLAG, oom_kill_disable, NULL, NULL,                         \
	    "container: stop it when it wants for memory, on cgroup v1", FLAG(oom_kill_disable),   \
	    CONTAINER("it waits for memory instead of being killed"),                              \
	    .why = "when a VM wants for memory its own kernel decides", IN(CGROUP_MEMORY),         \
	    V1("memory.oom_control", "0"))                                                         \
	ROW("oom-score-adj", 0, "N", "be killed rather (1000) or later (-1000) than others",       \
	    .value = &limits_score, MEMBER(oom_score_adj),                                         \
	    CONTAINER("each of its processes, when the host wants for memory"),                    \
	    VM("the machine as a whole"), .apply = limits_apply_score)                             \
	ROW("ulimit", 0, "NAME=SOFT[:HARD]", "a limit of each process, as nofile=1024:4096",       \
	    .value = &limits_rlimits, MEMBER(rlimits), CONTAINER("of each process"),               \
	    VM("of each process in the guest"))                                                    \
	OWN("device", OPTION_PAIR, limits, "HOST[:INSIDE[:rwm]]", "file",                          \
	    "container: let it use this device of the host", .value = &limits_devices,             \
	    MEMBER(devices), CONTAINER("it may use it, and no other"),                             \
	    .why = "a VM has its own devices and none of the host's")

#endif
