#pragma once
/* Where IKE is spoken (RFC 7296 section 2): protocol, policies, firewall and list agree on it. */
enum { IKE_PORT = 500 };
