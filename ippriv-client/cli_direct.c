#include "ippriv-client/cli_direct.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/magic.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>

#include "common/base/addr.h"
#include "common/base/log.h"
#include "common/base/mark.h"
#include "common/ctl/ctl.h"
#include "common/kern/kern_cgroup.h"
#include "ippriv-client/cli_names.h"
#include "ippriv-client/cli_run.h"

#define GROUPS "/sys/fs/cgroup"

enum { SERVERS_MAX = 3 };

/*
 * The group at PATH, made when missing, its sockets marked. FRESH: nobody is in it, from before.
 * Descriptor, or -errno with a line logged.
 */
static int group_open(const char *path, bool fresh)
{
	_cleanup_close_ int fd = -1;
	struct statfs fs;
	int r;

	if (geteuid() != 0) {
		log_error("only root may let a command go around the tunnel; use sudo");
		return -EPERM;
	}
	if (statfs(GROUPS, &fs) < 0 || fs.f_type != CGROUP2_SUPER_MAGIC) {
		log_error(GROUPS ": no control groups of version 2; boot without "
			  "systemd.unified_cgroup_hierarchy=0");
		return -ENOTSUP;
	}
	if (fresh)
		(void)rmdir(path);
	if (mkdir(path, 0755) < 0 && (fresh || errno != EEXIST)) {
		r = -errno;
		log_error("cannot make %s: %s", path, strerror(-r));
		return r;
	}
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	r = fd < 0 ? -errno : kern_cgroup_mark(fd, MARK_DIRECT);
	if (r < 0) {
		log_error("cannot mark the sockets of %s: %s; this needs BPF for control groups", path,
			  strerror(-r));
		return r;
	}
	return steal_fd(&fd);
}

static json_int_t group_number(int fd)
{
	struct stat st;

	return fstat(fd, &st) < 0 ? 0 : (json_int_t)st.st_ino;
}

/* The calling process is in the group from now on. */
static int group_join(int fd)
{
	_cleanup_close_ int procs = openat(fd, "cgroup.procs", O_WRONLY | O_CLOEXEC);

	if (procs < 0 || write(procs, "0", 1) != 1) {
		log_error("cannot enter the control group: %s", strerror(errno));
		return -errno;
	}
	return 0;
}

static int ask(const char *control, json_t *request)
{
	json_t *answer = NULL;
	int status = cli_daemon_call(control, request, &answer);

	json_decref(answer);
	return status ? CLI_RUN_FAILED : 0;
}

/* The group may pass no more. Without a daemon it is time that sees to it. */
static void shut_door(const char *control, json_int_t number)
{
	_cleanup_close_ int fd = ctl_connect(control);
	json_t *request = json_pack("{s:s, s:I, s:b}", "command", "portal", "cgroup", number,
				    "shut", true);
	json_t *answer = NULL;

	if (fd >= 0)
		(void)!ctl_call(fd, request, -1, &answer);
	json_decref(request);
	json_decref(answer);
}

/* Who called sudo, with that user's groups; root when nobody did. */
static int become_caller(void)
{
	const char *text = getenv("SUDO_UID");
	const struct passwd *user;
	char *end = NULL;
	unsigned long uid = text ? strtoul(text, &end, 10) : 0;

	if (!text || *text == '\0' || *end || uid == 0)
		return 0;
	user = getpwuid((uid_t)uid);
	if (!user || initgroups(user->pw_name, user->pw_gid) < 0 ||
	    setresgid(user->pw_gid, user->pw_gid, user->pw_gid) < 0 ||
	    setresuid(user->pw_uid, user->pw_uid, user->pw_uid) < 0) {
		log_error("cannot become user %lu, who called sudo", uid);
		return -EPERM;
	}
	setenv("HOME", user->pw_dir, 1);
	setenv("USER", user->pw_name, 1);
	setenv("LOGNAME", user->pw_name, 1);
	return 0;
}

static int exec_command(char *const *argv)
{
	if (become_caller() < 0)
		return CLI_RUN_FAILED;
	execvp(argv[0], argv);
	log_error("%s: %s", argv[0], strerror(errno));
	return errno == ENOENT ? CLI_RUN_NOT_FOUND : CLI_RUN_NO_EXEC;
}

int cli_direct_exclude(const char *control, char *const *argv)
{
	_cleanup_close_ int group = group_open(GROUPS "/ippriv-excluded", false);
	int status;

	if (group < 0)
		return CLI_RUN_FAILED;
	status = ask(control, json_pack("{s:s, s:I}", "command", "exclude", "cgroup",
					group_number(group)));
	if (status)
		return status;
	return group_join(group) < 0 ? CLI_RUN_FAILED : exec_command(argv);
}

/* Name servers in the file at PATH that are not on this machine. */
static size_t read_servers(const char *path, struct addr out[SERVERS_MAX])
{
	const struct prefix loopback = { addr_v4(0x7f000000), 8 };
	FILE *f = fopen(path, "re");
	char line[256], text[ADDR_TEXT];
	size_t count = 0;

	while (f && count < SERVERS_MAX && fgets(line, sizeof(line), f))
		if (sscanf(line, "nameserver %63s", text) == 1 && addr_parse(text, &out[count]) == 0 &&
		    !prefix_contains(&loopback, &out[count]))
			count++;
	if (f)
		fclose(f);
	return count;
}

/* The name servers of the link, for the command alone, where the host asks a resolver of its own. */
static int link_names(void)
{
	_cleanup_close_ int file = -1;
	struct addr servers[SERVERS_MAX];
	char why[512];
	size_t count;

	if (read_servers("/etc/resolv.conf", servers) > 0)
		return 0;
	count = read_servers("/run/systemd/resolve/resolv.conf", servers);
	if (count == 0)
		count = read_servers("/run/NetworkManager/no-stub-resolv.conf", servers);
	if (count == 0) {
		log_warning("no name server of the link is known: names are looked up as by the host");
		return 0;
	}
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0) {
		log_error("cannot make mounts of its own: %s", strerror(errno));
		return -errno;
	}
	if (cli_names_cover(servers, count, &file, why, sizeof(why)) < 0) {
		log_error("%s", why);
		return -EIO;
	}
	return 0;
}

static int await(pid_t child)
{
	int status;

	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return CLI_RUN_FAILED;
	return WIFEXITED(status) ? WEXITSTATUS(status) : CLI_RUN_SIGNAL + WTERMSIG(status);
}

/* The terminal's signals are the command's to take; this process outlives it to shut the door. */
static int run_in(int group, char *const *argv)
{
	pid_t child;

	signal(SIGINT, SIG_IGN);
	signal(SIGQUIT, SIG_IGN);
	child = fork();
	if (child == 0) {
		signal(SIGINT, SIG_DFL);
		signal(SIGQUIT, SIG_DFL);
		if (group_join(group) < 0 || link_names() < 0)
			_exit(CLI_RUN_FAILED);
		_exit(exec_command(argv));
	}
	return child < 0 ? CLI_RUN_FAILED : await(child);
}

int cli_direct_portal(const char *control, unsigned int seconds, char *const *argv)
{
	_cleanup_close_ int group = -1;
	char path[64];
	int status;

	snprintf(path, sizeof(path), GROUPS "/ippriv-portal-%d", (int)getpid());
	group = group_open(path, true);
	if (group < 0)
		return CLI_RUN_FAILED;
	status = ask(control, json_pack("{s:s, s:I, s:i}", "command", "portal", "cgroup",
					group_number(group), "seconds", (int)seconds));
	if (status == 0) {
		status = run_in(group, argv);
		shut_door(control, group_number(group));
	}
	rmdir(path); /* or there is still somebody in it, whom the firewall does not let pass */
	return status;
}
