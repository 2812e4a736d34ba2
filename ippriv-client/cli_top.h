#pragma once
/* `ippriv top`: circuits and the throughput of their layers, each second anew. */
#include <stdbool.h>

/* Shows the circuits of the daemon behind CONTROL until q; with ONCE prints one picture. Exit status. */
int cli_top(const char *control, bool once);
