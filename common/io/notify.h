#pragma once
/* systemd's readiness protocol, sd_notify(3): a datagram to the socket that $NOTIFY_SOCKET names. */

/* STATE is "READY=1" or "STOPPING=1". 0, also when nobody asked to be told; or -errno. */
int notify_send(const char *state);
