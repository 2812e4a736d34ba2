#include "ippriv-client/host_url.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/addr.h"

enum { PORT_HTTP = 80, PORT_HTTPS = 443 };

uint16_t host_url_port(const char *url, bool *named)
{
	const char *rest = strstr(url, "://"), *colon;
	uint16_t port = strncasecmp(url, "https:", 6) == 0 ? PORT_HTTPS : PORT_HTTP;
	struct endpoint e;
	char text[300], with_port[sizeof(text) + 8];
	char *end;
	unsigned long number;

	rest = rest ? rest + 3 : url;
	snprintf(text, sizeof(text), "%.*s", (int)strcspn(rest, "/"), rest);
	snprintf(with_port, sizeof(with_port), "%s:%u", text, port);
	*named = false;
	if (endpoint_parse(text, &e) == 0 || endpoint_parse(with_port, &e) == 0)
		return e.port;
	*named = true;
	colon = strrchr(text, ':');
	if (!colon)
		return port;
	number = strtoul(colon + 1, &end, 10);
	return *end == '\0' && number <= UINT16_MAX ? (uint16_t)number : 0;
}
