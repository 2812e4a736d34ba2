#pragma once
/* Relays and authorities with fixed keys. */
#include "common/dir/dir_list.h"

enum { SAMPLE_NOW = 1800000000 };

/* The key whose seed is 32 times BYTE. */
struct crypto_sign_key sample_key(uint8_t byte);
/* alpha: no exit, no rules. Its key is sample_key(1). */
struct dir_entry sample_alpha(void);
/* Bravo-2: exit with two rules and IPv6. Its key is sample_key(2). */
struct dir_entry sample_bravo(void);
/* COUNT authorities with keys 0xa1, 0xa2, ... of which THRESHOLD must sign. */
struct dir_trust sample_trust(size_t count, size_t threshold);
/* Both relays, published at SAMPLE_NOW, signed by COUNT keys from 0xa1 on. malloc'ed. */
uint8_t *sample_list(uint64_t published, size_t count, size_t *len);
