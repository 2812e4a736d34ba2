#include "ippriv-client/cli_sockets.h"

#include <errno.h>
#include <seccomp.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>

/* Who finds these asks for a program outside. */
static const char *const variables[] = {
	"DBUS_SESSION_BUS_ADDRESS", "DBUS_SYSTEM_BUS_ADDRESS", "SSH_AUTH_SOCK", "GPG_AGENT_INFO",
	"DISPLAY", "WAYLAND_DISPLAY", "NOTIFY_SOCKET",
};

static const int families[] = { AF_UNIX, AF_VSOCK };

/* io_uring makes and connects sockets without the system calls that are looked at. */
static int add_rules(scmp_filter_ctx filter)
{
	int r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(io_uring_setup), 0);

	for (size_t i = 0; i < ARRAY_SIZE(families) && r == 0; i++) {
		/* the kernel reads 32 bits of it */
		const struct scmp_arg_cmp family = { .arg = 0, .op = SCMP_CMP_MASKED_EQ,
						     .datum_a = UINT32_MAX,
						     .datum_b = (scmp_datum_t)families[i] };

		r = seccomp_rule_add_array(filter, SCMP_ACT_ERRNO(EAFNOSUPPORT),
					   SCMP_SYS(socket), 1, &family);
	}
	/* of other architectures (32-bit programs) no system call at all */
	if (r == 0)
		r = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(ENOSYS));
	return r;
}

int cli_sockets_close(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	int r;

	if (!filter)
		return -ENOMEM;
	for (size_t i = 0; i < ARRAY_SIZE(variables); i++)
		unsetenv(variables[i]);
	r = add_rules(filter);
	if (r == 0)
		r = seccomp_load(filter);
	seccomp_release(filter);
	return r;
}
