#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "ippriv-client/client_place.h"

static char top[64], state[96], control[96], path[128], why[512];
static struct client_conf conf = { .state = state, .control = control };

static void setup(void)
{
	strcpy(top, "/tmp/ippriv-place.XXXXXX");
	cr_assert_not_null(mkdtemp(top));
	snprintf(state, sizeof(state), "%s/state", top);
	snprintf(control, sizeof(control), "%s/control", top);
	snprintf(path, sizeof(path), "%s/newest-list", state);
}

static void teardown(void)
{
	unlink(path);
	rmdir(state);
	unlink(state);
	unlink(control);
	cr_expect_eq(rmdir(top), 0, "something was made: %s", strerror(errno));
}

TestSuite(place, .init = setup, .fini = teardown);

static void put(const char *file, const char *text)
{
	FILE *f = fopen(file, "we");

	cr_assert_not_null(f);
	fputs(text, f);
	fclose(f);
}

static void refused(int err, const char *what)
{
	cr_assert_eq(client_place_check(&conf, why, sizeof(why)), err, "%s", why);
	cr_assert_not_null(strstr(why, what), "%s", why);
}

Test(place, good_ones)
{
	cr_assert_eq(client_place_check(&conf, why, sizeof(why)), 0, "neither is there: %s", why);
	cr_assert_eq(access(state, F_OK), -1, "it only looks");
	cr_assert_eq(mkdir(state, 0700), 0);
	cr_assert_eq(client_place_check(&conf, why, sizeof(why)), 0, "%s", why);
	put(path, "1700000000\n");
	cr_assert_eq(client_place_check(&conf, why, sizeof(why)), 0, "%s", why);
}

Test(place, state_that_is_none)
{
	put(state, "");
	refused(-ENOTDIR, "/state: no directory; give another state");
	unlink(state);
	snprintf(state, sizeof(state), "%s/none/state", top);
	refused(-ENOENT, "/none: No such file");
	snprintf(state, sizeof(state), "%s/state", top);
}

Test(place, newest_list_that_is_none)
{
	cr_assert_eq(mkdir(state, 0700), 0);
	put(path, "soon\n");
	refused(-EBADMSG, "mend or remove it");
	put(path, "");
	refused(-EBADMSG, "newest-list");
}

Test(place, control_that_is_none)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	put(control, "precious");
	refused(-EEXIST, "/control: there is something that is no socket; give another control");
	unlink(control);
	strcpy(addr.sun_path, control);
	cr_assert_eq(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	close(fd);
	cr_assert_eq(client_place_check(&conf, why, sizeof(why)), 0, "of an earlier run: %s", why);
	snprintf(control, sizeof(control), "%s/a/b/control", top);
	refused(-ENOENT, "/a: ");
	snprintf(control, sizeof(control), "%s/control", top);
}
