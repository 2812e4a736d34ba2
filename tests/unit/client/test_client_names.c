/*
 * What a command sees of /etc and /run after the "host" has replaced its files. The host is this
 * process, in a mount namespace of its own with an /etc and a /run made for the test.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "ippriv-client/cli_names.h"
#include "ippriv-client/cli_space.h"

enum { NOBODY = 65534, SKIPPED = 77 };

static void put(const char *path, const char *text)
{
	FILE *f = fopen(path, "we");

	cr_assert(f && fputs(text, f) >= 0, "%s: %s", path, strerror(errno));
	fclose(f);
	cr_assert_eq(chmod(path, 0644), 0);
}

static void put_anew(const char *path, const char *text)
{
	put("/etc/new", text);
	cr_assert_eq(rename("/etc/new", path), 0);
}

static void make(const char *path)
{
	cr_assert_eq(mkdir(path, 0755), 0, "%s: %s", path, strerror(errno));
}

static bool holds(const char *path, const char *wanted)
{
	char text[512] = "";
	FILE *f = fopen(path, "re");

	if (f) {
		text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
		fclose(f);
	}
	if (f && strcmp(text, wanted) == 0)
		return true;
	fprintf(stderr, "%s: %s\"%s\"\n", path, f ? "" : "not there ", text);
	return false;
}

static bool absent(const char *path)
{
	if (access(path, F_OK) < 0 && errno == ENOENT)
		return true;
	fprintf(stderr, "%s: it is there\n", path);
	return false;
}

/* tests/run.sh counts these lines. */
static void skip(const char *why)
{
	fprintf(stderr, "skipped: %s\n", why);
	cr_skip_test("%s", why);
}

static void host_init(void)
{
	if (unshare(CLONE_NEWNS) < 0)
		skip("no mount namespaces here");
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		skip("in a chroot, where / is no mount and there are no user namespaces");
	cr_assert_eq(mount("t", "/etc", "tmpfs", 0, "mode=755"), 0);
	cr_assert_eq(mount("t", "/run", "tmpfs", 0, "mode=755"), 0);
	cr_assert_eq(mount(NULL, "/", NULL, MS_REC | MS_SHARED, NULL), 0); /* as systemd does */
	make("/run/nscd");
	make("/run/systemd");
	make("/run/systemd/resolve");
	make("/run/systemd/private");
	make("/run/user");
	put("/run/systemd/resolve/stub", "nameserver 127.0.0.53\n");
	put("/run/nscd/socket", "");
	put("/run/file", "file\n");
	cr_assert_eq(symlink("file", "/run/link"), 0);
	put("/etc/hosts", "127.0.0.1 localhost\n");
	put("/etc/nsswitch.conf", "passwd: files\nhosts: files mdns4 resolve dns\nservices: db\n");
}

/* The host's name services start anew and write their files anew. */
static void host_changes(void)
{
	put_anew("/etc/resolv.conf", "nameserver 192.0.2.99\n");
	put_anew("/etc/nsswitch.conf", "hosts: resolve\n");
	put_anew("/etc/resolv.conf", "nameserver 192.0.2.98\n");
	unlink("/run/nscd/socket");
	rmdir("/run/nscd");
	make("/run/nscd");
	put("/run/nscd/socket", "");
	unlink("/run/systemd/resolve/stub");
	rmdir("/run/systemd/resolve");
	make("/run/systemd/resolve");
	put("/run/systemd/resolve/io.systemd.Resolve", "");
	make("/run/avahi-daemon");
	put("/run/user/late", "late\n");
}

static bool command_sees_its_own(void)
{
	bool good = true; /* all of them are looked at: each says what is wrong */

	good &= holds("/etc/resolv.conf", "nameserver 192.0.2.53\nnameserver 192.0.2.54\n");
	good &= holds("/etc/nsswitch.conf",
		      "passwd: files\nservices: db\n\nhosts: files myhostname dns\n");
	good &= holds("/etc/hosts", "127.0.0.1 localhost\n");
	good &= absent("/run/nscd");
	good &= absent("/run/systemd/resolve");
	good &= absent("/run/avahi-daemon");
	good &= access("/run/systemd/private", F_OK) == 0;
	good &= holds("/run/link", "file\n");
	return good;
}

/* The command's place, in a child: READY tells the host to go on, CHANGED that it has. */
static int command(uid_t uid, int ready, int changed)
{
	const struct addr servers[] = { addr_v4(0xc0000235), addr_v4(0xc0000236) };
	const struct addr other = addr_v4(0xc0000237);
	int net = -1, file = -1;
	char why[512], c = 0;

	if (uid != 0 && (setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0 ||
			 prctl(PR_SET_DUMPABLE, 1) < 0)) /* as after an execve */
		return 2;
	if (cli_space_make(&net, why, sizeof(why)) < 0 ||
	    cli_space_enter(net, why, sizeof(why)) < 0) {
		fprintf(stderr, "%s\n", why);
		return write(ready, "n", 1) == 1 ? SKIPPED : 2;
	}
	if (cli_names_cover(servers, 2, &file, why, sizeof(why)) < 0) {
		fprintf(stderr, "%s\n", why);
		return write(ready, "n", 1) == 1 ? 3 : 2;
	}
	if (!command_sees_its_own() || write(ready, "y", 1) != 1 || read(changed, &c, 1) != 1)
		return 4;
	if (!command_sees_its_own() || !holds("/run/user/late", "late\n"))
		return 5;
	if (cli_names_change(file, &other, 1) < 0 ||
	    !holds("/etc/resolv.conf", "nameserver 192.0.2.55\n"))
		return 7;
	return open("/etc/hosts", O_WRONLY | O_CLOEXEC) < 0 && errno == EROFS ? 0 : 6;
}

static void run_as(uid_t uid)
{
	int ready[2], changed[2], status = 0;
	char c = 'n';
	pid_t child;

	if (geteuid() != 0)
		cr_skip_test("the host of this test is root");
	host_init();
	cr_assert(pipe(ready) == 0 && pipe(changed) == 0);
	child = fork();
	cr_assert_geq(child, 0);
	if (child == 0)
		_exit(command(uid, ready[1], changed[0]));
	close(ready[1]);
	if (read(ready[0], &c, 1) == 1 && c == 'y') {
		host_changes();
		cr_assert_eq(write(changed[1], "!", 1), 1);
	}
	cr_assert_eq(waitpid(child, &status, 0), child);
	if (WIFEXITED(status) && WEXITSTATUS(status) == SKIPPED)
		cr_skip_test("namespaces are not allowed here");
	cr_assert_eq(status, 0, "status %x", (unsigned int)status);
	cr_assert(holds("/etc/resolv.conf", "nameserver 192.0.2.98\n"), "the host's stays its own");
	cr_assert(holds("/run/nscd/socket", ""));
}

Test(names, of_root_s_command_come_through_the_tunnel)
{
	run_as(0);
}

Test(names, of_a_user_s_command_come_through_the_tunnel)
{
	run_as(NOBODY);
}

/* With a resolv.conf that is a link to a file in the runtime directory, as of systemd-resolved. */
Test(names, behind_a_link)
{
	if (geteuid() != 0)
		cr_skip_test("the host of this test is root");
	host_init();
	cr_assert_eq(symlink("../run/systemd/resolve/stub", "/etc/resolv.conf"), 0);
	if (fork() == 0) {
		const struct addr server = addr_v4(0xc0000235);
		int net = -1, file = -1;
		char why[512];

		_exit(cli_space_make(&net, why, sizeof(why)) == 0 &&
		      cli_space_enter(net, why, sizeof(why)) == 0 &&
		      cli_names_cover(&server, 1, &file, why, sizeof(why)) == 0 &&
		      holds("/etc/resolv.conf", "nameserver 192.0.2.53\n") ? 0 : 1);
	}
	int status = 1;

	cr_assert_gt(wait(&status), 0);
	cr_assert_eq(status, 0);
	cr_assert(holds("/etc/resolv.conf", "nameserver 127.0.0.53\n"));
}
