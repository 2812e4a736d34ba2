#include "ippriv-client/cli_top.h"

#include <curses.h>
#include <string.h>
#include <sys/ioctl.h>
#include <term.h>
#include <time.h>
#include <unistd.h>

#include "common/base/log.h"
#include "ippriv-client/cli_daemon.h"
#include "ippriv-client/cli_top_view.h"

enum { EVERY_MS = 1000 };

struct top {
	int fd;
	json_t *before, *now;
};

static void top_fini(struct top *top)
{
	json_decref(top->before);
	json_decref(top->now);
}

static int look(struct top *top)
{
	json_t *answer;
	int status = cli_daemon_ask(top->fd, json_pack("{s:s}", "command", "circuits"), &answer);

	if (status != CLI_GOOD)
		return status;
	json_decref(top->before);
	top->before = top->now;
	top->now = answer;
	return CLI_GOOD;
}

static struct cli_top_size window_size(void)
{
	struct winsize size;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_col == 0)
		return (struct cli_top_size){ 80, UINT16_MAX };
	return (struct cli_top_size){ size.ws_col, UINT16_MAX };
}

static int print_once(struct top *top)
{
	int status = look(top);

	if (status != CLI_GOOD)
		return status;
	nanosleep(&(struct timespec){ EVERY_MS / 1000, 0 }, NULL);
	status = look(top);
	if (status == CLI_GOOD)
		cli_top_view(stdout, top->before, top->now, window_size());
	return status;
}

/* Says so when a picture cannot be drawn here. */
static bool can_draw(void)
{
	const char *name = getenv("TERM");
	char *move;
	int err;

	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) {
		log_error("top needs a terminal; `ippriv top --once` prints one picture");
		return false;
	}
	if (setupterm(NULL, STDOUT_FILENO, &err) == OK) {
		move = tigetstr("cup");
		if (move && move != (char *)-1)
			return true;
	}
	log_error("the terminal TERM=%s cannot move its cursor; `ippriv top --once` prints one "
		  "picture", name ? name : "");
	return false;
}

static void draw(const struct top *top)
{
	_cleanup_free_ char *text = NULL;
	struct cli_top_size size = { (unsigned int)COLS, (unsigned int)LINES };
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);
	char *rest;
	int y = 0;

	if (!f)
		return;
	cli_top_view(f, top->before, top->now, size);
	if (fclose(f) != 0)
		return;
	erase();
	for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		if (y < 3)
			attron(A_BOLD);
		mvaddnstr(y++, 0, line, COLS);
		attroff(A_BOLD);
	}
	refresh();
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Waits for a key until END. False: the person has had enough. */
static bool wait_until(const struct top *top, uint64_t end)
{
	uint64_t now;
	int key;

	while ((now = now_ms()) < end) {
		timeout((int)(end - now));
		key = getch();
		if (key == 'q' || key == 'Q')
			return false;
		if (key == KEY_RESIZE)
			draw(top);
		else if (key == ERR && !isatty(STDIN_FILENO))
			return false; /* the terminal has gone */
	}
	return true;
}

static int show(struct top *top)
{
	SCREEN *screen;
	int status;

	if (!can_draw())
		return CLI_USAGE;
	status = look(top); /* an error is said before the screen is taken */
	if (status != CLI_GOOD)
		return status;
	screen = newterm(NULL, stdout, stdin);
	if (!screen) {
		log_error("cannot use this terminal; `ippriv top --once` prints one picture");
		return CLI_USAGE;
	}
	cbreak();
	noecho();
	keypad(stdscr, TRUE);
	curs_set(0);
	do {
		draw(top);
		if (!wait_until(top, now_ms() + EVERY_MS))
			break;
		status = look(top);
	} while (status == CLI_GOOD);
	endwin();
	delscreen(screen);
	if (status != CLI_GOOD) /* what was said before went with the picture */
		log_error("ippriv-client answers no more; has it ended?");
	return status;
}

int cli_top(const char *control, bool once)
{
	_cleanup_close_ int fd = cli_daemon_connect(control);
	struct top top = { .fd = fd };
	int status;

	if (fd < 0)
		return CLI_USAGE;
	status = once ? print_once(&top) : show(&top);
	top_fini(&top);
	return status;
}
