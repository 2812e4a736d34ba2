#pragma once
/* What a connection is kept for after its first answer: ctl_conn_data is one of these, or NULL. */

struct ctl_session {
	/* The connection is over. Frees what SESSION is the first member of. */
	void (*closed)(struct ctl_session *session);
};
