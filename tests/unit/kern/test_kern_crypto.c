#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "common/kern/kern_crypto.h"

#define ENTRY(name, priority, async)                                                               \
	"name         : " name "\ndriver       : driver\nmodule       : kernel\npriority     : " priority \
	"\nrefcnt       : 1\nselftest     : passed\ninternal     : no\ntype         : aead\n"              \
	"async        : " async "\nblocksize    : 1\n\n"
#define GCM KERN_CRYPTO_ESP_AES_GCM

static bool is_synchronous(const char *text)
{
	FILE *f = fmemopen((char *)text, strlen(text), "r");
	bool yes = kern_crypto_is_synchronous(f, GCM);

	fclose(f);
	return yes;
}

Test(kern_crypto, the_highest_priority_decides)
{
	cr_assert(is_synchronous(ENTRY(GCM, "400", "no")));
	cr_assert_not(is_synchronous(ENTRY(GCM, "400", "yes")));
	cr_assert(is_synchronous(ENTRY(GCM, "400", "no") ENTRY(GCM, "100", "yes")));
	cr_assert(is_synchronous(ENTRY(GCM, "100", "yes") ENTRY(GCM, "400", "no")));
	cr_assert_not(is_synchronous(ENTRY(GCM, "100", "no") ENTRY(GCM, "1400", "yes")));
}

Test(kern_crypto, other_names_do_not_count)
{
	cr_assert_not(is_synchronous(ENTRY("seqiv(" GCM ")", "400", "no")));
	cr_assert_not(is_synchronous(ENTRY(GCM, "100", "yes") ENTRY("gcm(aes)", "400", "no")));
	cr_assert(is_synchronous(ENTRY(GCM, "100", "no") ENTRY("gcm(aes)", "400", "yes")));
}

Test(kern_crypto, nothing_or_half_an_entry_is_no)
{
	cr_assert_not(is_synchronous("\n"));
	cr_assert_not(is_synchronous("name         : " GCM "\npriority     : 400\n"));
	cr_assert_not(is_synchronous("async        : no\n"));
}
