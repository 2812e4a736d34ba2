#pragma once
/* systemd-resolved, where the host has it: it keeps answers, also those of another network's resolver. */

/* Has it forget them; its answers are the next resolver's then. Says so when that cannot be done. */
void cli_resolved_forget(void);
