# SPDX-License-Identifier: GPL-2.0-or-later
"""Many machines, and machines at work for long. Not a part of `make test`: tests/lab/run --load."""

import concurrent.futures
import os

import pytest

from support import images, kernels

pytestmark = [pytest.mark.root, pytest.mark.vm, pytest.mark.slow]

SECONDS = int(os.environ.get("BRIG_LOAD_SECONDS", "60"))
MACHINES = 50
START_SECONDS = 900

# Sources alike in size to a kernel's, always the same, and so is what they print.
BUILD = r"""set -eu
mkdir -p /build && cd /build
for i in $(seq 60); do
	{
		echo '#include <stdio.h>'
		echo '#include <stdlib.h>'
		echo '#include <string.h>'
		for j in $(seq 80); do
			echo "static unsigned f$j(unsigned x) { for (unsigned k = 0; k < $j; k++) x = x * $i + (x >> $((j % 31 + 1))); return x; }"
		done
		echo "unsigned part$i(unsigned x) {"
		for j in $(seq 80); do echo "x ^= f$j(x);"; done
		echo 'return x; }'
	} >part$i.c
done
{
	echo '#include <stdio.h>'
	for i in $(seq 60); do echo "unsigned part$i(unsigned);"; done
	echo 'int main(void) { unsigned x = 1;'
	for i in $(seq 60); do echo "x = part$i(x);"; done
	echo 'printf("%u\n", x); return 0; }'
} >main.c
printf 'OBJECTS = $(patsubst %%.c,%%.o,$(wildcard *.c))\nprogram: $(OBJECTS)\n\tgcc -o $@ $(OBJECTS)\n' >Makefile
end=$(($(date +%s) + $1)) rounds=0 first=
while [ $(date +%s) -lt $end ]; do
	rm -f *.o program
	make -s -j2 CFLAGS=-O2
	now="$(./program) $(sha256sum <program)"
	[ "${first:=$now}" = "$now" ] || { echo "round $rounds: $now, not $first"; exit 1; }
	rounds=$((rounds + 1))
done
echo "$rounds rounds"
"""

WORK = {
    # One word, or its --vm would be taken for ours.
    "stress": ["sh", "-c", f"stress-ng --timeout {SECONDS}s --verify --metrics-brief --cpu 1 --vm 1 --vm-bytes 96m "
               "--fork 1 --timer 1 --mmap 1 --mmap-bytes 32m --pipe 1 --hdd 1 --hdd-bytes 64m --temp-path /var/tmp"],
    "fio": ["fio", "--name=verify", "--directory=/var/tmp", "--size=256m", "--rw=randrw", "--bsrange=4k-128k",
            "--iodepth=16", "--ioengine=libaio", "--direct=1", "--verify=crc32c", "--verify_fatal=1",
            "--verify_backlog=1024", "--time_based", f"--runtime={SECONDS}"],
    "build": ["bash", "-c", BUILD, "bash", str(SECONDS)],
}


@pytest.fixture
def work_image(brig, debian_kernel):
    brig("image", "import", "--name", "work", images.work_tar(), timeout=START_SECONDS)
    return "work"


def complaints(brig, name):
    return [line for said in (brig("exec", name, "dmesg", timeout=START_SECONDS), brig("logs", "--boot", name))
            for line in kernels.complaints(said.out)]


def test_machines_work_for_long_and_stay_clean(brig, work_image):
    def work(name):
        ended = brig("exec", name, *WORK[name], check=False, timeout=SECONDS + START_SECONDS)
        print(f"-- {name}: exit status {ended.code}\n{ended.out}{ended.err}")
        return ended.code

    for name in WORK:
        brig("run", "-d", "--vm", "--name", name, "--cpus", "2", "-m", "512m", work_image, "sleep", "1000000",
             timeout=START_SECONDS)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        codes = dict(zip(WORK, pool.map(work, WORK)))
    assert codes == dict.fromkeys(WORK, 0)
    assert {name: complaints(brig, name) for name in WORK} == {name: [] for name in WORK}
    for name in WORK:
        brig("stop", name, timeout=START_SECONDS)


def test_many_machines_start_and_stop_at_once(brig, busybox_image, debian_kernel):
    names = [f"m{i}" for i in range(MACHINES)]

    def start(name):
        return brig("run", "-d", "--vm", "--name", name, "-m", "128m", "--boot-timeout", f"{START_SECONDS}s",
                    busybox_image, "sleep", "1000000", check=False, timeout=START_SECONDS)

    def stop(name):
        return brig("stop", name, check=False, timeout=START_SECONDS)

    with concurrent.futures.ThreadPoolExecutor(MACHINES) as pool:
        started = list(pool.map(start, names))
        assert [result.err for result in started if result.code] == []
        assert {row["state"] for row in brig.json("ps")} == {"running"} and len(brig.json("ps")) == MACHINES
        assert {brig("exec", name, "uname", "-s", timeout=START_SECONDS).out for name in names} == {"Linux\n"}
        stopped = list(pool.map(stop, names))
    assert [result.err for result in stopped if result.code] == []
    assert brig.json("ps") == []
