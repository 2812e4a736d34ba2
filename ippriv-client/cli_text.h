#pragma once
/* Values of the daemon's answers as people read them. What is missing is "-" or 0. */
#include <jansson.h>

enum { CLI_TEXT = 32 };

const char *cli_text_of(const json_t *object, const char *key);
json_int_t cli_text_number(const json_t *object, const char *key);
/* "1 h 2 min". OUT is returned. */
const char *cli_text_age(json_int_t seconds, char out[CLI_TEXT]);
/* "0 B", "9.9 kB", "31 MB": at most 8 characters, also of a negative number (it is 0 then). */
const char *cli_text_bytes(json_int_t bytes, char out[CLI_TEXT]);
/* The name of the user who holds CIRCUIT, or its number, or "-". */
const char *cli_text_holder(const json_t *circuit, char out[CLI_TEXT]);
/* "entry > middle > exit", or "not shown". */
const char *cli_text_path(const json_t *circuit, char *out, size_t size);
