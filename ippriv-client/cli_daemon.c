#include "ippriv-client/cli_daemon.h"

#include <string.h>

#include "common/base/log.h"
#include "common/ctl/ctl.h"

int cli_daemon_connect(const char *path)
{
	int fd = ctl_connect(path);

	if (fd < 0)
		log_error("%s: %s; start ippriv-client, or name its socket by --control", path,
			  strerror(-fd));
	return fd;
}
