#include <criterion/criterion.h>

#include "common/wire/ike_names.h"
#include "common/wire/ike_wire.h"

Test(ike_names, known)
{
	cr_assert_str_eq(ike_exchange_name(34), "SA_INIT");
	cr_assert_str_eq(ike_exchange_name(37), "INFORMATIONAL");
	cr_assert_str_eq(ike_payload_name(46), "SK");
	cr_assert_str_eq(ike_payload_name(IKE_PAYLOAD_NONE), "NONE");
	cr_assert_str_eq(ike_notify_name(IKE_NOTIFY_COOKIE), "COOKIE");
	cr_assert_str_eq(ike_notify_name(24), "AUTHENTICATION_FAILED");
}

Test(ike_names, unknown)
{
	cr_assert_str_eq(ike_exchange_name(0), "unknown");
	cr_assert_str_eq(ike_payload_name(32), "unknown");
	cr_assert_str_eq(ike_notify_name(65535), "unknown");
}
