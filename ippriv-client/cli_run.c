#include "ippriv-client/cli_run.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include "common/base/log.h"
#include "common/ctl/ctl.h"
#include "common/kern/kern_guard.h"
#include "ippriv-client/cli_caps.h"
#include "ippriv-client/cli_daemon.h"
#include "ippriv-client/cli_names.h"
#include "ippriv-client/cli_space.h"

/* Handed on to the command when somebody sends them to us. */
static const int forwarded[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2 };

enum { SERVERS_MAX = 4 };

static size_t read_servers(const json_t *answer, struct addr out[SERVERS_MAX])
{
	const json_t *dns = json_object_get(answer, "dns");
	size_t count = 0;

	for (size_t i = 0; i < json_array_size(dns) && count < SERVERS_MAX; i++) {
		const char *text = json_string_value(json_array_get(dns, i));

		if (text && addr_parse(text, &out[count]) == 0)
			count++;
	}
	return count;
}

/* Has a circuit put into our network namespace. 0, or -errno with one line logged. */
static int attach(int control, const char *path, json_t **answer)
{
	_cleanup_close_ int ns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	json_t *request = json_pack("{s:s}", "command", "attach");
	const char *error;
	int r;

	r = ns < 0 ? -errno : ctl_call(control, request, ns, answer);
	json_decref(request);
	if (r < 0) {
		log_error("%s: %s; is ippriv-client still running?", path, strerror(-r));
		return r;
	}
	error = json_string_value(json_object_get(*answer, "error"));
	if (error) {
		log_error("%s", error);
		return -EPROTO;
	}
	return 0;
}

/*
 * In the child: becomes the command, which has the standard streams only: any other descriptor may
 * lead out of its namespaces.
 */
static void exec_command(char *const *argv, const sigset_t *mask)
{
	int r = close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC) < 0 ? -errno : 0;

	if (r == 0)
		r = geteuid() == 0 ? cli_caps_drop() : 0;
	if (r < 0) {
		log_error("cannot shut the command in: %s", strerror(-r));
		_exit(CLI_RUN_FAILED);
	}
	sigprocmask(SIG_SETMASK, mask, NULL);
	execvp(argv[0], argv);
	log_error("%s: %s", argv[0], strerror(errno));
	_exit(errno == ENOENT ? CLI_RUN_NOT_FOUND : CLI_RUN_NO_EXEC);
}

/*
 * The terminal sends its signals to the whole foreground group, so the command has had them;
 * what a process sent to us alone is handed on.
 */
static void forward(int signals, pid_t child)
{
	struct signalfd_siginfo info;

	while (read(signals, &info, sizeof(info)) == (ssize_t)sizeof(info))
		if (info.ssi_signo != SIGCHLD && info.ssi_code != SI_KERNEL)
			kill(child, (int)info.ssi_signo);
}

static int await(pid_t child, int signals, int control)
{
	struct pollfd fds[] = { { .fd = signals, .events = POLLIN },
				{ .fd = control, .events = POLLIN | POLLRDHUP } };
	int status;

	for (;;) {
		if (waitpid(child, &status, WNOHANG) == child)
			return WIFEXITED(status) ? WEXITSTATUS(status) :
						   CLI_RUN_SIGNAL + WTERMSIG(status);
		if (poll(fds, ARRAY_SIZE(fds), -1) < 0)
			continue;
		if (fds[1].revents) {
			log_error("the circuit has ended: nothing passes any more; run the "
				  "command again");
			fds[1].fd = -1;
		}
		forward(signals, child);
	}
}

static int run_command(char *const *argv, int control)
{
	_cleanup_close_ int signals = -1;
	sigset_t set, before;
	pid_t child;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	for (size_t i = 0; i < ARRAY_SIZE(forwarded); i++)
		sigaddset(&set, forwarded[i]);
	signal(SIGCHLD, SIG_DFL);
	sigprocmask(SIG_BLOCK, &set, &before);
	signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	child = signals < 0 ? -1 : fork();
	if (child < 0) {
		log_error("cannot start %s: %s", argv[0], strerror(errno));
		return CLI_RUN_FAILED;
	}
	if (child == 0)
		exec_command(argv, &before);
	return await(child, signals, control);
}

/* Namespaces, circuit, name lookups: all that the command needs. 0, or -errno with one line logged. */
static int prepare(int fd, const char *control)
{
	struct addr servers[SERVERS_MAX];
	json_t *answer = NULL;
	size_t count = 0;
	char why[512];
	int r = cli_space_enter(why, sizeof(why));

	if (r < 0) {
		log_error("%s", why);
		return r;
	}
	r = kern_guard_install();
	if (r < 0) {
		log_error("cannot shut out connections from the tunnel: %s; this needs nftables "
			  "(as root: modprobe nf_tables nft_ct)", strerror(-r));
		return r;
	}
	r = attach(fd, control, &answer);
	if (r == 0)
		count = read_servers(answer, servers);
	json_decref(answer);
	if (r < 0)
		return r;
	if (count == 0)
		log_warning("the exit of this circuit named no resolver: names cannot be looked up, "
			    "addresses work");
	r = cli_names_cover(servers, count, why, sizeof(why));
	if (r < 0)
		log_error("%s", why);
	return r;
}

int cli_run(const char *control, char *const *argv)
{
	_cleanup_close_ int fd = cli_daemon_connect(control);

	if (fd < 0 || prepare(fd, control) < 0)
		return CLI_RUN_FAILED;
	return run_command(argv, fd);
}
