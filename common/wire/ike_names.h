#pragma once
/* Names of IKEv2 numbers for logs; "unknown" when there is none. */
#include <stdint.h>

const char *ike_exchange_name(uint8_t exchange);
const char *ike_payload_name(uint8_t payload);
const char *ike_notify_name(uint16_t notify);
