#include "ippriv-client/cli_child.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "common/base/log.h"

/* Handed on to the command when somebody sends them to us. */
static const int forwarded[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2 };

/* What the keeper tells the front: the command's process, then how it ended (of waitpid). */
struct news {
	pid_t pid;
	bool ended;
	int status;
};

/*
 * In the child: becomes the command, which has the standard streams only: any other descriptor may
 * lead out of its namespaces.
 */
static void exec_command(const struct cli_child *conf, const sigset_t *mask)
{
	int r = close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC) < 0 ? -errno : 0;

	if (r == 0)
		r = conf->shut_in(conf->user);
	if (r < 0) {
		log_error("cannot shut the command in: %s", strerror(-r));
		_exit(CLI_RUN_FAILED);
	}
	sigprocmask(SIG_SETMASK, mask, NULL);
	execvp(conf->argv[0], conf->argv);
	log_error("%s: %s", conf->argv[0], strerror(errno));
	_exit(errno == ENOENT ? CLI_RUN_NOT_FOUND : CLI_RUN_NO_EXEC);
}

static void tell(int front, const struct news *news)
{
	(void)!write(front, news, sizeof(*news));
}

/* Waits for whoever has ended. False: nobody is left. */
static bool reap(struct news *news)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid != news->pid)
			continue;
		news->ended = true;
		news->status = status;
	}
	return pid == 0;
}

/* The front goes; what is left, daemons, has no terminal of ours, and nor have we. */
static void go_behind(int front, const struct news *news)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int fd = STDIN_FILENO; null >= 0 && fd <= STDERR_FILENO; fd++)
		dup2(null, fd);
	(void)!chdir("/");
	tell(front, news);
}

/*
 * Whether the command wanted what it leaves to go on: it has ended well and by itself, as the first
 * process of a daemon does. FRONT has sent something when somebody asked us to end it.
 */
static bool leaves_daemons(const struct news *news, int front)
{
	struct pollfd asked = { .fd = front, .events = POLLIN };

	return WIFEXITED(news->status) && WEXITSTATUS(news->status) == 0 &&
	       poll(&asked, 1, 0) == 0;
}

/* Until nobody needs the circuit any more; that the front dies is a reason, too. */
static void keep(const struct cli_child *conf, int front, int signals, struct news *news)
{
	struct pollfd fds[] = { { .fd = signals, .events = POLLIN },
				{ .fd = conf->control, .events = POLLIN | POLLRDHUP },
				{ .fd = front, .events = 0 } };
	struct signalfd_siginfo info;
	bool behind = false;

	for (;;) {
		bool left = reap(news);

		if (news->ended && !behind && left && leaves_daemons(news, front)) {
			go_behind(front, news);
			behind = true;
			fds[2].fd = -1;
		}
		if (!left || (news->ended && !behind))
			break;
		if (poll(fds, ARRAY_SIZE(fds), -1) < 0)
			continue;
		if (fds[2].revents & (POLLHUP | POLLERR))
			return;
		if (fds[1].revents && !conf->heard(conf->user))
			fds[1].fd = -1;
		while (read(signals, &info, sizeof(info)) == (ssize_t)sizeof(info))
			;
	}
	close(conf->control); /* before anybody hears that it is over */
	if (!behind)
		tell(front, news);
}

static void keeper(const struct cli_child *conf, int front, int signals, const sigset_t *mask)
{
	struct news news = { 0 };

	prctl(PR_SET_CHILD_SUBREAPER, 1);
	news.pid = fork();
	if (news.pid == 0)
		exec_command(conf, mask);
	if (news.pid > 0) {
		tell(front, &news);
		keep(conf, front, signals, &news);
	} else {
		log_error("cannot start %s: %s", conf->argv[0], strerror(errno));
	}
	_exit(0);
}

/*
 * The terminal sends its signals to the whole foreground group, so the command has had them;
 * what a process sent to us alone is handed on, and the keeper knows of it.
 */
static void forward(int signals, int back, pid_t child)
{
	struct signalfd_siginfo info;

	while (read(signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo == SIGCHLD || info.ssi_code == SI_KERNEL)
			continue;
		(void)!write(back, "", 1);
		kill(child, (int)info.ssi_signo);
	}
}

static int await(int back, int signals)
{
	struct pollfd fds[] = { { .fd = back, .events = POLLIN },
				{ .fd = signals, .events = POLLIN } };
	struct news news = { 0 };

	for (;;) {
		ssize_t n;

		if (poll(fds, ARRAY_SIZE(fds), -1) < 0)
			continue;
		n = fds[0].revents ? read(back, &news, sizeof(news)) : -1;
		if (n < 0 && fds[0].revents && errno == ECONNRESET)
			continue; /* it went without reading what we said; its own words come next */
		if (fds[0].revents && n != (ssize_t)sizeof(news))
			return CLI_RUN_FAILED; /* the keeper has died */
		if (news.ended)
			return WIFEXITED(news.status) ? WEXITSTATUS(news.status) :
							CLI_RUN_SIGNAL + WTERMSIG(news.status);
		if (news.pid > 0)
			forward(signals, back, news.pid);
	}
}

int cli_child_run(const struct cli_child *conf)
{
	_cleanup_close_ int signals = -1, back = -1;
	sigset_t set, before;
	int ends[2];
	pid_t pid;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	for (size_t i = 0; i < ARRAY_SIZE(forwarded); i++)
		sigaddset(&set, forwarded[i]);
	signal(SIGCHLD, SIG_DFL);
	sigprocmask(SIG_BLOCK, &set, &before);
	signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (signals < 0 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0) {
		log_error("cannot start %s: %s", conf->argv[0], strerror(errno));
		return CLI_RUN_FAILED;
	}
	back = ends[0];
	pid = fork();
	if (pid == 0) {
		close(steal_fd(&back));
		keeper(conf, ends[1], signals, &before);
	}
	close(ends[1]);
	close(conf->control);
	if (pid < 0) {
		log_error("cannot start %s: %s", conf->argv[0], strerror(errno));
		return CLI_RUN_FAILED;
	}
	return await(back, signals);
}
