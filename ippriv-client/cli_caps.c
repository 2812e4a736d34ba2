#include "ippriv-client/cli_caps.h"

#include <errno.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

/*
 * setns and mount; the routes and the tunnel's own link; other processes' memory and namespaces; the
 * kernel itself.
 */
static const int dropped[] = {
	CAP_SYS_ADMIN, CAP_NET_ADMIN, CAP_SYS_PTRACE, CAP_SYS_MODULE, CAP_SYS_RAWIO, CAP_BPF,
	CAP_PERFMON,
};

/* What is in the bounding set comes back to root with execve; what can be inherited does, too. */
int cli_caps_drop(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct caps[_LINUX_CAPABILITY_U32S_3];

	for (size_t i = 0; i < ARRAY_SIZE(dropped); i++)
		if (prctl(PR_CAPBSET_DROP, dropped[i]) < 0 && errno != EINVAL)
			return -errno; /* EINVAL: the kernel is older than that one */
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 ||
	    syscall(SYS_capget, &head, caps) < 0)
		return -errno;
	for (size_t i = 0; i < ARRAY_SIZE(caps); i++)
		caps[i].inheritable = 0;
	return syscall(SYS_capset, &head, caps) < 0 ? -errno : 0;
}
