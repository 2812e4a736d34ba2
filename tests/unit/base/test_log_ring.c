#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "common/base/log_ring.h"

static struct log_ring ring;

static void add(uid_t reader, const char *text)
{
	log_ring_add(&ring, 1000, reader, LOG_LEVEL_INFO, text);
}

/* All texts that UID may read after AFTER, in one string. */
static const char *texts(uint64_t after, uid_t uid)
{
	static char all[256];
	const struct log_ring_line *line;

	all[0] = '\0';
	while ((line = log_ring_next(&ring, after, uid))) {
		cr_assert_gt(line->number, after);
		after = line->number;
		snprintf(all + strlen(all), sizeof(all) - strlen(all), "%s ", line->text);
	}
	return all;
}

Test(log_ring, each_user_reads_its_own_and_what_is_for_all)
{
	cr_assert_str_eq(texts(0, 0), "");
	add(LOG_READER_ROOT, "secret");
	add(LOG_READER_ALL, "public");
	add(1000, "anna");
	add(1001, "otto");
	cr_assert_str_eq(texts(0, 0), "secret public anna otto ");
	cr_assert_str_eq(texts(0, 1000), "public anna ");
	cr_assert_str_eq(texts(0, 1001), "public otto ");
	cr_assert_str_eq(texts(0, 1002), "public ");
	cr_assert_str_eq(texts(2, 1000), "anna ");
	cr_assert_str_eq(texts(4, 0), "");
	cr_assert_str_eq(texts(UINT64_MAX, 0), "", "no overflow");
	log_ring_fini(&ring);
}

Test(log_ring, the_tail_counts_what_may_be_read)
{
	cr_assert_eq(log_ring_tail(&ring, 3, 0), 0);
	add(1000, "a");
	add(LOG_READER_ROOT, "r");
	add(1000, "b");
	add(LOG_READER_ROOT, "s");
	cr_assert_str_eq(texts(log_ring_tail(&ring, 1, 1000), 1000), "b ");
	cr_assert_str_eq(texts(log_ring_tail(&ring, 2, 1000), 1000), "a b ");
	cr_assert_str_eq(texts(log_ring_tail(&ring, 9, 1000), 1000), "a b ");
	cr_assert_str_eq(texts(log_ring_tail(&ring, 0, 1000), 1000), "");
	cr_assert_str_eq(texts(log_ring_tail(&ring, 2, 0), 0), "b s ");
	cr_assert_str_eq(texts(log_ring_tail(&ring, 2, 7), 7), "");
	log_ring_fini(&ring);
}

Test(log_ring, keeps_the_newest)
{
	char text[32];

	for (int i = 1; i <= LOG_RING_LINES + 3; i++) {
		snprintf(text, sizeof(text), "%d", i);
		add(LOG_READER_ALL, text);
	}
	cr_assert_str_eq(log_ring_next(&ring, 0, 0)->text, "4");
	cr_assert_eq(log_ring_next(&ring, 0, 0)->number, 4);
	cr_assert_eq(log_ring_tail(&ring, LOG_RING_LINES, 0), 3);
	cr_assert_eq(log_ring_tail(&ring, 2 * LOG_RING_LINES, 0), 3);
	cr_assert_str_eq(log_ring_next(&ring, LOG_RING_LINES + 2, 0)->text, "515");
	log_ring_fini(&ring);
}

static void count(void *user, uid_t reader, enum log_level level, const char *text)
{
	log_ring_add(user, 1, reader, level, text);
}

Test(log_ring, is_filled_by_the_log)
{
	log_init("test", LOG_LEVEL_INFO);
	log_set_sink(count, &ring);
	log_info("n %d", 1);
	log_debug("not wanted");
	log_write_for(1000, LOG_LEVEL_WARNING, "n %d", 2);
	log_set_sink(NULL, NULL);
	log_info("n %d", 3);
	cr_assert_str_eq(texts(0, 0), "n 1 n 2 ");
	cr_assert_str_eq(texts(0, 1000), "n 2 ");
	cr_assert_eq(log_ring_next(&ring, 1, 0)->level, LOG_LEVEL_WARNING);
	log_ring_fini(&ring);
}
