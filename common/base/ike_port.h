#pragma once
/* Where IKE is spoken (RFC 7296 section 2): protocol, policies, firewall and list agree on it. */
enum {
	IKE_PORT = 500,
	IKE_PORT_FLOATED = 4500, /* with ESP in UDP, behind a marker (RFC 3948) */
};

/* What else comes and goes there (RFC 3948 sections 2.2 and 2.3). */
enum {
	IKE_PORT_MARKER = 4,       /* zero octets in front of IKE, no SPI of ESP */
	IKE_PORT_KEEPALIVE = 0xff, /* the one octet that keeps a NAT's mapping */
};
