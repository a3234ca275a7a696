// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What of linux.resources is written where, in the words of either version: in a folder that has the kernel's files by
 * name alone. So it is seen for controllers that this host has not, too; what a kernel makes of it, test_resources.c sees.
 */
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "container/resources.h"
#include "sys/cgroup-internal.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <cmocka.h>

#define DISK "\"major\":8,\"minor\":16"

struct row {
	const char *text;			   /* linux.resources */
	const char *v1, *v1_value, *v2, *v2_value; /* files; NULL: of this version there is none */
};

static const struct row rows[] = {
	{ "{\"memory\":{\"limit\":4096}}", "memory.limit_in_bytes", "4096", "memory.max", "4096" },
	{ "{\"memory\":{\"limit\":4096,\"swap\":12288}}", "memory.memsw.limit_in_bytes", "12288",
	  "memory.swap.max", "8192" },
	{ "{\"memory\":{\"reservation\":4096}}", "memory.soft_limit_in_bytes", "4096", "memory.low",
	  "4096" },
	{ "{\"memory\":{\"kernelTCP\":4096}}", "memory.kmem.tcp.limit_in_bytes", "4096", NULL,
	  NULL },
	{ "{\"memory\":{\"swappiness\":10}}", "memory.swappiness", "10", NULL, NULL },
	{ "{\"memory\":{\"disableOOMKiller\":true}}", "memory.oom_control", "1", NULL, NULL },
	{ "{\"memory\":{\"useHierarchy\":true}}", "memory.use_hierarchy", "1", NULL, NULL },
	{ "{\"cpu\":{\"shares\":1024}}", "cpu.shares", "1024", "cpu.weight", "100" },
	{ "{\"cpu\":{\"quota\":50000,\"period\":200000}}", "cpu.cfs_quota_us", "50000", "cpu.max",
	  "50000 200000" },
	{ "{\"cpu\":{\"quota\":50000,\"period\":200000}}", "cpu.cfs_period_us", "200000", NULL,
	  NULL },
	{ "{\"cpu\":{\"quota\":-1,\"period\":200000}}", "cpu.cfs_quota_us", "-1", "cpu.max",
	  "max 200000" },
	{ "{\"cpu\":{\"burst\":10000}}", "cpu.cfs_burst_us", "10000", "cpu.max.burst", "10000" },
	{ "{\"cpu\":{\"realtimeRuntime\":900}}", "cpu.rt_runtime_us", "900", NULL, NULL },
	{ "{\"cpu\":{\"realtimePeriod\":9000}}", "cpu.rt_period_us", "9000", NULL, NULL },
	{ "{\"cpu\":{\"cpus\":\"0-2\"}}", "cpuset.cpus", "0-2", "cpuset.cpus", "0-2" },
	{ "{\"cpu\":{\"mems\":\"0\"}}", "cpuset.mems", "0", "cpuset.mems", "0" },
	{ "{\"cpu\":{\"idle\":1}}", "cpu.idle", "1", "cpu.idle", "1" },
	{ "{\"pids\":{\"limit\":17}}", "pids.max", "17", "pids.max", "17" },
	{ "{\"pids\":{\"limit\":-1}}", "pids.max", "max", "pids.max", "max" },
	{ "{\"blockIO\":{\"weight\":500}}", "blkio.bfq.weight", "500", "io.bfq.weight", "500" },
	{ "{\"blockIO\":{\"weight\":500}}", "blkio.weight", "500", "io.weight", "4950" },
	{ "{\"blockIO\":{\"leafWeight\":300}}", "blkio.leaf_weight", "300", NULL, NULL },
	{ "{\"blockIO\":{\"weightDevice\":[{" DISK ",\"weight\":500}]}}", "blkio.bfq.weight_device",
	  "8:16 500", "io.bfq.weight", "8:16 500" },
	{ "{\"blockIO\":{\"weightDevice\":[{" DISK ",\"weight\":500}]}}", "blkio.weight_device",
	  "8:16 500", "io.weight", "8:16 4950" },
	{ "{\"blockIO\":{\"weightDevice\":[{" DISK ",\"leafWeight\":300}]}}",
	  "blkio.leaf_weight_device", "8:16 300", NULL, NULL },
	{ "{\"blockIO\":{\"throttleReadBpsDevice\":[{" DISK ",\"rate\":600}]}}",
	  "blkio.throttle.read_bps_device", "8:16 600", "io.max", "8:16 rbps=600" },
	{ "{\"blockIO\":{\"throttleWriteBpsDevice\":[{" DISK ",\"rate\":600}]}}",
	  "blkio.throttle.write_bps_device", "8:16 600", "io.max", "8:16 wbps=600" },
	{ "{\"blockIO\":{\"throttleReadIOPSDevice\":[{" DISK ",\"rate\":600}]}}",
	  "blkio.throttle.read_iops_device", "8:16 600", "io.max", "8:16 riops=600" },
	{ "{\"blockIO\":{\"throttleWriteIOPSDevice\":[{" DISK ",\"rate\":0}]}}",
	  "blkio.throttle.write_iops_device", "8:16 0", "io.max", "8:16 wiops=max" },
	{ "{\"hugepageLimits\":[{\"pageSize\":\"2MB\",\"limit\":4194304}]}",
	  "hugetlb.2MB.limit_in_bytes", "4194304", "hugetlb.2MB.max", "4194304" },
	{ "{\"network\":{\"classID\":1048577}}", "net_cls.classid", "1048577", NULL, NULL },
	{ "{\"network\":{\"priorities\":[{\"name\":\"eth0\",\"priority\":5}]}}",
	  "net_prio.ifpriomap", "eth0 5", NULL, NULL },
	{ "{\"rdma\":{\"mlx5_1\":{\"hcaHandles\":3,\"hcaObjects\":10000}}}", "rdma.max",
	  "mlx5_1 hca_handle=3 hca_object=10000", "rdma.max",
	  "mlx5_1 hca_handle=3 hca_object=10000" },
	{ "{\"rdma\":{\"mlx5_1\":{\"hcaObjects\":9}}}", "rdma.max", "mlx5_1 hca_object=9",
	  "rdma.max", "mlx5_1 hca_object=9" },
	{ "{\"unified\":{\"memory.high\":\"max\"}}", NULL, NULL, "memory.high", "max" },
};

/* Others that a row wants to be there. */
static const char *const files_besides[] = {
	"memory.limit_in_bytes", "memory.max",	     "cpu.cfs_quota_us", "cpu.cfs_period_us",
	"cpu.rt_runtime_us",	 "cpu.rt_period_us", "cpu.max",
};

static void put(int folder, const char *file, const char *text)
{
	_cleanup_close_ int fd = openat(folder, file, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(file_write_all(fd, text, strlen(text)), 0);
}

static void check(const struct row *row, int version)
{
	struct cgroup_dir dir = {
		.ops = version == 1 ? &cgroup_v1_ops : &cgroup_v2_ops,
		.controllers = CGROUP_ALL | CGROUP_CORE,
	};
	const struct cgroup cgroup = { .path = (char *)(uintptr_t) ".", .dirs = &dir, .n = 1 };
	const char *file = version == 1 ? row->v1 : row->v2;
	_cleanup_config_resources_ struct config_resources resources = { 0 };
	_cleanup_json_ struct json *json = NULL;
	_cleanup_free_ char *found = NULL;
	char path[] = "/tmp/brig-test-XXXXXX";
	struct err err = ERR_INIT;

	assert_non_null(mkdtemp(path));
	dir.root = dir.fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	put(dir.fd, "cgroup.controllers", "cpuset cpu io memory hugetlb pids rdma misc\n");
	put(dir.fd, file, "");
	for (size_t i = 0; i < ARRAY_SIZE(files_besides); i++)
		put(dir.fd, files_besides[i], "");
	assert_int_equal(json_parse(row->text, strlen(row->text), "text", &json, &err), 0);
	assert_int_equal(config_read_resources(json, &resources, &err), 0);
	if (resources_apply(&cgroup, &resources, &err) < 0)
		fail_msg("%s, version %d: %s", row->text, version, err.msg);
	assert_int_equal(file_read(dir.fd, file, 4096, &found, NULL), 0);
	if (strcmp(found, version == 1 ? row->v1_value : row->v2_value) != 0)
		fail_msg("%s, version %d: %s has \"%s\"", row->text, version, file, found);
	fd_close(dir.fd);
	(void)file_remove_tree(AT_FDCWD, path);
}

static void each_limit_is_written_in_the_words_of_version_1(void **state _unused_)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (rows[i].v1)
			check(&rows[i], 1);
	}
}

static void each_limit_is_written_in_the_words_of_version_2(void **state _unused_)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (rows[i].v2)
			check(&rows[i], 2);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_limit_is_written_in_the_words_of_version_1),
		cmocka_unit_test(each_limit_is_written_in_the_words_of_version_2),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
