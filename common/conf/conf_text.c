#include "common/conf/conf_text.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* The bytes of FP into a new string of *LEN bytes. 0 or -errno. */
static int read_all(FILE *fp, char **out, size_t *len)
{
	_cleanup_free_ char *data = malloc(CONF_TEXT_MAX + 1);

	if (!data)
		return -ENOMEM;
	*len = fread(data, 1, CONF_TEXT_MAX + 1, fp);
	if (ferror(fp))
		return errno ? -errno : -EIO;
	if (*len > CONF_TEXT_MAX)
		return -EFBIG;
	data[*len] = '\0';
	*out = data;
	data = NULL;
	return 0;
}

/* Steps *I from a quote to its partner on the same line. What is wrong, or NULL. */
static const char *scan_string(const char *text, size_t len, size_t *i)
{
	char quote = text[*i];

	for (size_t k = *i + 1; k < len && text[k] != '\n' && text[k] != '\0'; k++) {
		if (text[k] == quote) {
			*i = k;
			return NULL;
		}
		if (quote == '"' && text[k] == '$' && text[k + 1] == '{')
			return "${...} is not replaced here; write the value itself";
		if (text[k] == '\\' && text[k + 1] != '\n')
			k++;
	}
	return "the string has no end in this line; close the quote";
}

static const char *scan_char(const char *text, size_t len, size_t i)
{
	unsigned char c = (unsigned char)text[i];
	bool first = i == 0 || strchr(" \t\n={},", text[i - 1]);

	if (c == '/' && first && i + 1 < len && (text[i + 1] == '/' || text[i + 1] == '*'))
		return "a comment of this kind is not known; start it with #";
	if (c == '$' && text[i + 1] == '{')
		return "${...} is not replaced here; write the value itself";
	if (c == '*' || (c == '+' && text[i + 1] != '='))
		return "stray * or +; put the value in quotes";
	if ((c < ' ' && c != '\t') || c == 0x7f)
		return "a control character; write plain text";
	return NULL;
}

/* Blanks comments and carriage returns. What is wrong in line *LINE, or NULL. */
static const char *scan(char *text, size_t len, int *line)
{
	const char *wrong = NULL;
	bool comment = false;

	*line = 1;
	for (size_t i = 0; i < len && !wrong; i++) {
		if (text[i] == '\n') {
			comment = false;
			*line += i + 1 < len;
			continue;
		}
		if (text[i] == '#')
			comment = true;
		if (comment || (text[i] == '\r' && text[i + 1] == '\n'))
			text[i] = ' ';
		else if (text[i] == '"' || text[i] == '\'')
			wrong = scan_string(text, len, &i);
		else
			wrong = scan_char(text, len, i);
	}
	return wrong;
}

int conf_text_read(const char *path, struct conf_text *out, char *why, size_t why_size)
{
	_cleanup_free_ char *data = NULL;
	FILE *fp = fopen(path, "re");
	const char *wrong;
	size_t len = 0;
	int err = fp ? 0 : -errno;

	if (fp) {
		errno = 0;
		err = read_all(fp, &data, &len);
		fclose(fp);
	}
	if (err < 0) {
		snprintf(why, why_size, "%s: cannot be read: %s; check the path and its rights",
			 path, strerror(-err));
		return err;
	}
	wrong = scan(data, len, &out->lines);
	if (wrong) {
		snprintf(why, why_size, "%s:%d: %s", path, out->lines, wrong);
		return -EINVAL;
	}
	out->data = data;
	data = NULL;
	return 0;
}
