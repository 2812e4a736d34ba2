#pragma once
/* Where IKE is spoken (RFC 7296 section 2): protocol, policies, firewall and list agree on it. */
enum {
	IKE_PORT = 500,
	IKE_PORT_FLOATED = 4500, /* with ESP in UDP, behind a marker (RFC 3948) */
};
