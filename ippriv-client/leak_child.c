#include "ippriv-client/leak_child.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "common/base/log.h"
#include "ippriv-client/cli_run.h"
#include "ippriv-client/leak_probe.h"

static int become(uid_t uid)
{
	const struct passwd *user = getpwuid(uid);

	if (!user)
		return -ENOENT;
	if (initgroups(user->pw_name, user->pw_gid) < 0 || setgid(user->pw_gid) < 0 ||
	    setuid(uid) < 0)
		return -errno;
	return 0;
}

static void execute(const char *program, const char *control, bool inside, uid_t uid, int in,
		    int out)
{
	const char *const all[] = { program, "--control", control, "run", "--",
				    program, "leaktest",  "--probe", NULL };
	int r = uid == (uid_t)-1 ? 0 : become(uid);

	if (r == 0 && (dup2(in, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0))
		r = -errno;
	if (r == 0) {
		execv(program, (char *const *)(inside ? all : all + 5));
		r = -errno;
	}
	log_error("leaktest: cannot start %s: %s", program, strerror(-r));
	_exit(CLI_RUN_FAILED);
}

static int tell_plan(struct leak_child *child, const struct leak_plan *plan)
{
	json_t *json = leak_plan_json(plan);
	char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
	int r = text ? leak_child_tell(child, text) : -ENOMEM;

	free(text);
	json_decref(json);
	return r < 0 ? r : leak_child_tell(child, "\n");
}

int leak_child_start(struct leak_child *child, const char *control, bool inside, uid_t uid,
		     const struct leak_plan *plan)
{
	_cleanup_close_ int in_read = -1, in_write = -1, out_read = -1, out_write = -1;
	char program[PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", program, sizeof(program) - 1);
	int in[2], out[2];

	if (len < 0)
		return -errno;
	program[len] = '\0';
	if (pipe2(in, O_CLOEXEC) < 0)
		return -errno;
	in_read = in[0], in_write = in[1];
	if (pipe2(out, O_CLOEXEC) < 0)
		return -errno;
	out_read = out[0], out_write = out[1];
	signal(SIGPIPE, SIG_IGN); /* it may end before we do */
	*child = (struct leak_child){ .pid = fork(), .in = -1, .out = -1 };
	if (child->pid < 0)
		return -errno;
	if (child->pid == 0) {
		setpgid(0, 0); /* a group of its own, which `--disrupt` stops as a whole */
		signal(SIGPIPE, SIG_DFL);
		execute(program, control, inside, uid, in_read, out_write);
	}
	setpgid(child->pid, child->pid); /* whoever of the two is first */
	child->in = steal_fd(&in_write);
	child->out = steal_fd(&out_read);
	if (fcntl(child->out, F_SETFL, O_NONBLOCK) < 0)
		return -errno;
	return tell_plan(child, plan);
}

int leak_child_tell(struct leak_child *child, const char *line)
{
	size_t len = strlen(line);

	return write(child->in, line, len) == (ssize_t)len ? 0 : -EPIPE;
}

static int parse_probe(const json_t *o, struct leak_word_said *out)
{
	json_int_t probe, err;
	const char *outcome;

	if (json_unpack((json_t *)o, "{s:I, s:s, s:I}", "probe", &probe, "outcome", &outcome,
			"errno", &err) < 0 ||
	    probe < 0 || (size_t)probe >= leak_probe_count() || err < 0 || err > 4095)
		return -EBADMSG;
	for (int i = 0; i < LEAK_OUTCOMES; i++) {
		if (strcmp(outcome, leak_outcome_name((enum leak_outcome)i)) == 0) {
			*out = (struct leak_word_said){ .word = LEAK_WORD_PROBE,
							.probe = (size_t)probe,
							.outcome = (enum leak_outcome)i,
							.err = (int)err };
			return 0;
		}
	}
	return -EBADMSG;
}

int leak_child_parse(const char *line, struct leak_word_said *out)
{
	json_t *o = json_loads(line, 0, NULL);
	json_int_t sent, answered;
	int r = -EBADMSG;

	if (json_object_get(o, "probe")) {
		r = parse_probe(o, out);
	} else if (json_is_true(json_object_get(o, "probed"))) {
		*out = (struct leak_word_said){ .word = LEAK_WORD_PROBED };
		r = 0;
	} else if (o && json_unpack(o, "{s:I, s:I}", "streamed", &sent, "answered", &answered) == 0 &&
		   sent >= 0 && answered >= 0) {
		*out = (struct leak_word_said){ .word = LEAK_WORD_STREAMED,
						.sent = (uint64_t)sent,
						.answered = (uint64_t)answered };
		r = 0;
	}
	json_decref(o);
	return r;
}

int leak_child_hear(struct leak_child *child, struct leak_word_said *out)
{
	char *end = memchr(child->line, '\n', child->len);
	int r;

	if (!end && child->len < sizeof(child->line)) {
		ssize_t len = read(child->out, child->line + child->len,
				   sizeof(child->line) - child->len);

		if (len == 0)
			return -ECONNRESET;
		if (len < 0)
			return errno == EAGAIN || errno == EINTR ? 0 : -errno;
		child->len += (size_t)len;
		end = memchr(child->line, '\n', child->len);
	}
	if (!end)
		return child->len == sizeof(child->line) ? -EMSGSIZE : 0;
	*end = '\0';
	r = leak_child_parse(child->line, out);
	child->len -= (size_t)(end + 1 - child->line);
	memmove(child->line, end + 1, child->len);
	return r < 0 ? r : 1;
}

void leak_child_finish(struct leak_child *child)
{
	if (child->in >= 0)
		close(child->in);
	child->in = -1;
}

int leak_child_wait(struct leak_child *child)
{
	int status = 0;

	leak_child_finish(child);
	while (waitpid(child->pid, &status, 0) < 0 && errno == EINTR)
		;
	close(child->out);
	return WIFEXITED(status) ? WEXITSTATUS(status) : CLI_RUN_SIGNAL + WTERMSIG(status);
}
