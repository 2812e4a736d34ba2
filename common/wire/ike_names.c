#include "common/wire/ike_names.h"

#include "common/wire/ike_wire.h"

const char *ike_exchange_name(uint8_t exchange)
{
	switch (exchange) {
#define NAME(name, number) case number: return #name;
	IKE_EXCHANGE_LIST(NAME)
	}
	return "unknown";
}

const char *ike_payload_name(uint8_t payload)
{
	switch (payload) {
	IKE_PAYLOAD_LIST(NAME)
	}
	return "unknown";
}

const char *ike_notify_name(uint16_t notify)
{
	switch (notify) {
	IKE_NOTIFY_LIST(NAME)
#undef NAME
	}
	return "unknown";
}
