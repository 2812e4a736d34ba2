#include "ippriv-client/cli_resolved.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "common/base/cleanup.h"
#include "common/base/log.h"

#define PLACE "/run/systemd/resolve/io.systemd.Resolve"
#define NAME "systemd-resolve\n" /* as much of it as the kernel keeps */

/* Who listens at PLACE, or -errno. */
static pid_t listener(void)
{
	static const struct sockaddr_un place = { .sun_family = AF_UNIX, .sun_path = PLACE };
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct ucred who = { 0 };
	socklen_t len = sizeof(who);

	if (fd < 0 || connect(fd, (const struct sockaddr *)&place, sizeof(place)) < 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) < 0)
		return -errno;
	return who.pid > 0 ? who.pid : -ESRCH;
}

/* Anybody else would die of the signal. */
static bool is_resolved(pid_t pid)
{
	char path[64], name[sizeof(NAME)] = "";
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	f = fopen(path, "re");
	if (!f)
		return false;
	if (!fgets(name, sizeof(name), f))
		name[0] = '\0';
	fclose(f);
	return strcmp(name, NAME) == 0;
}

/* SIGUSR2, see systemd-resolved(8). */
static int flush(pid_t pid)
{
	_cleanup_close_ int fd = pidfd_open(pid, 0);

	if (fd < 0)
		return -errno;
	if (!is_resolved(pid))
		return -ESRCH;
	return pidfd_send_signal(fd, SIGUSR2, NULL, 0) < 0 ? -errno : 0;
}

void cli_resolved_forget(void)
{
	pid_t pid = listener();
	int r;

	if (pid == -ENOENT || pid == -ECONNREFUSED)
		return; /* it does not run */
	r = pid < 0 ? (int)pid : flush(pid);
	if (r < 0)
		log_warning("systemd-resolved may still say what it has heard before, as it cannot be "
			    "told to forget (%s): `resolvectl flush-caches` does that", strerror(-r));
}
