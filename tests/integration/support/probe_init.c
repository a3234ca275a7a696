// SPDX-License-Identifier: GPL-2.0-or-later
/* In place of brig-guest: loads the modules of /etc/modules, tells what there is, restarts. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

static void probe_load(const char *list)
{
	FILE *file = fopen(list, "r");
	char path[512];

	while (file && fgets(path, sizeof(path), file)) {
		int fd;

		path[strcspn(path, "\n")] = '\0';
		fd = open(path, O_RDONLY);
		if (syscall(SYS_finit_module, fd, "", 0) < 0)
			printf("FAILED %s: %s\n", path, strerror(errno));
		close(fd);
	}
	if (file)
		fclose(file);
}

static void probe_show(const char *path, const char *mark)
{
	FILE *file = fopen(path, "r");
	char line[512], word[64];

	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%63s", word) == 1)
			printf("%s %s\n", mark, word);
	}
	if (file)
		fclose(file);
}

int main(void)
{
	struct utsname name;

	mount("proc", "/proc", "proc", 0, NULL);
	uname(&name);
	printf("RELEASE %s\n", name.release);
	probe_load("/etc/modules");
	probe_show("/proc/modules", "MODULE");
	printf("END\n");
	fflush(stdout);
	reboot(RB_AUTOBOOT);
	return 1;
}
