/* --check: what a resolver's answer is worth. */
#include <criterion/criterion.h>
#include <string.h>

#include "ippriv-node/check.h"

Test(check, dns_answers)
{
	static const struct {
		uint8_t head[12];
		size_t len;
		const char *says; /* NULL: good */
	} cases[] = {
		{ { 0x12, 0x34, 0x81, 0x80, 0, 1 }, 12, NULL },
		{ { 0x12, 0x34, 0x81, 0x80, 0, 1 }, 11, "no answer" },
		{ { 0x12, 0x35, 0x81, 0x80, 0, 1 }, 12, "no answer" },
		{ { 0x12, 0x34, 0x01, 0x00, 0, 1 }, 12, "no answer" },
		{ { 0x12, 0x34, 0x81, 0x00, 0, 1 }, 12, "for others" },
		{ { 0x12, 0x34, 0x81, 0x05, 0, 1 }, 12, "refuses" },
		{ { 0x12, 0x34, 0x81, 0x85, 0, 1 }, 12, "refuses" },
		{ { 0x12, 0x34, 0x81, 0x82, 0, 1 }, 12, "an error" },
	};

	cr_expect_not_null(check_dns_answer(cases[0].head, 0, 0x1234));
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *said = check_dns_answer(cases[i].head, cases[i].len, 0x1234);

		if (cases[i].says)
			cr_expect(said && strstr(said, cases[i].says), "%zu: %s", i, said ? said : "good");
		else
			cr_expect_null(said, "%zu: %s", i, said);
	}
}
