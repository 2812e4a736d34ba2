#include "ippriv-client/pins.h"

#include <errno.h>
#include <string.h>

static const char nickname_letters[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-";

int pins_parse(const char *text, struct pin *out)
{
	struct pin pin = { 0 };
	size_t len = strlen(text);

	if (crypto_hex_parse(text, pin.key.bytes) == 0) {
		pin.is_key = true;
	} else {
		if (len == 0 || len > DIR_NICKNAME || strspn(text, nickname_letters) != len)
			return -EINVAL;
		memcpy(pin.nickname, text, len);
	}
	*out = pin;
	return 0;
}

bool pins_allow(const struct pins *pins, const struct dir_entry *e)
{
	for (size_t i = 0; i < pins->count; i++) {
		const struct pin *pin = &pins->pins[i];

		if (pin->is_key ? memcmp(&pin->key, &e->identity, sizeof(pin->key)) == 0
				: strcmp(pin->nickname, e->nickname) == 0)
			return true;
	}
	return pins->count == 0;
}

int pins_parse_list(const char *text, struct pins *out)
{
	struct pins pins = { 0 };
	char item[CRYPTO_HEX];

	for (;;) {
		size_t len = strcspn(text, ",");

		if (len >= sizeof(item) || pins.count == PINS_MAX)
			return -EINVAL;
		memcpy(item, text, len);
		item[len] = '\0';
		if (pins_parse(item, &pins.pins[pins.count++]) < 0)
			return -EINVAL;
		if (text[len] == '\0')
			break;
		text += len + 1;
	}
	*out = pins;
	return 0;
}

bool pins_equal(const struct pins *a, const struct pins *b)
{
	return a->count == b->count && memcmp(a->pins, b->pins, a->count * sizeof(a->pins[0])) == 0;
}
