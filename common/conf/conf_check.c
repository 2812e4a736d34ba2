#include "common/conf/conf_check.h"

#include <string.h>
#include <sys/un.h>

#include "common/base/log.h"

const char *conf_check_url(const char *value)
{
	const char *host = strncmp(value, "http://", 7) == 0    ? value + 7
			   : strncmp(value, "https://", 8) == 0 ? value + 8
								: "";

	if (*host == '\0' || *host == '/')
		return "not an HTTP address; write http://HOST:PORT";
	if (value[strlen(value) - 1] == '/')
		return "it ends with a slash; write http://HOST:PORT";
	return NULL;
}

const char *conf_check_level(const char *value)
{
	return log_level_parse(value) < 0 ? "no log level; write error, warning, info or debug"
					  : NULL;
}

const char *conf_check_path(const char *value)
{
	return value[0] == '/' ? NULL : "not an absolute path; begin it with /";
}

const char *conf_check_socket(const char *value)
{
	if (strlen(value) >= sizeof(((struct sockaddr_un *)NULL)->sun_path))
		return "too long for a socket; write a path of at most 107 bytes";
	return conf_check_path(value);
}

const char *conf_check_key(const char *value)
{
	if (strlen(value) != 64 || strspn(value, "0123456789abcdefABCDEF") != 64)
		return "not a key; write the 64 hex digits that --keygen prints";
	return NULL;
}
