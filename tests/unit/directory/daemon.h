#pragma once
/* A running ippriv-directory on 127.0.0.1, in a folder of its own, and what relays say to it. */
#include <sys/types.h>

#include "common/dir/dir_list.h"

struct daemon {
	pid_t pid;
	uint16_t port;
	char url[64];
	char folder[64]; /* has key, conf, log, state/ */
	struct crypto_pub authority;
};

/*
 * Makes folder, key and configuration: listen, any_source (true unless EXTRA says else), and EXTRA
 * lines of configuration. Starts nothing.
 */
void daemon_init(struct daemon *d, const char *extra);
/* Starts the program and waits until it is ready. */
void daemon_start(struct daemon *d);
/* Sends SIGNUM and waits; the exit status as of waitpid. */
int daemon_stop(struct daemon *d, int signum);
/* Stops it cleanly when it runs, asserts that it says 0, removes the folder. */
void daemon_fini(struct daemon *d);
/* Runs the program with ARGS (NULL at the end); its output, both streams, into OUT. Exit status. */
int daemon_run(char *const args[], char *out, size_t size);
/* The whole log so far, malloc'ed. */
char *daemon_log(const struct daemon *d);
/* Path of a file in the folder. */
const char *daemon_path(const struct daemon *d, const char *name, char out[128]);
/* Fetches and verifies the list; NEWEST as of dir_list_parse. The caller frees it. */
struct dir_list daemon_list(const struct daemon *d, uint64_t newest);
/* Waits for at most 5 s until the list has COUNT relays; returns its published time. */
uint64_t daemon_wait_count(const struct daemon *d, size_t count);
/* Connects from SOURCE (127.x.y.z). The descriptor. */
int daemon_connect(const struct daemon *d, const char *source);
/* Sends LEN bytes, reads to the end: the HTTP status of the answer, 0 when there is none. */
int daemon_ask(const struct daemon *d, const void *request, size_t len);
/* Uploads DATA: 0, or the error with WHY. */
int daemon_upload(const struct daemon *d, const uint8_t *data, size_t len, char why[256]);

/* The same, connecting from SOURCE. */
int daemon_upload_from(const struct daemon *d, struct addr source, const uint8_t *data, size_t len,
		       char why[256]);

/* What the relay's descriptor has as its address. */
struct addr relay_address(uint8_t number);
/* A descriptor of the relay with seed 32 times NUMBER, at BANDWIDTH, signed. Its bytes. */
size_t relay_desc(uint8_t number, uint64_t published, uint32_t bandwidth,
		  uint8_t out[DIR_DESC_MAX]);
struct crypto_pub relay_identity(uint8_t number);
