#pragma once
/* What a firewall wants to know of the directory's URL. Pure. */
#include <stdbool.h>
#include <stdint.h>

/* Its TCP port, 0: it has none that is one. *NAMED: its host is a name, no address. */
uint16_t host_url_port(const char *url, bool *named);
