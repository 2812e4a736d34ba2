#pragma once
/* What the kernel's crypto layer has, read from the text of /proc/crypto. */
#include <stdbool.h>
#include <stdio.h>

#define KERN_CRYPTO_PROC "/proc/crypto"
#define KERN_CRYPTO_ESP_AES_GCM "rfc4106(gcm(aes))"

/*
 * Does the implementation of NAME that the kernel takes, the one of highest priority, do its work at
 * once, never later in a thread? False, too, when there is none yet: SAs bring them in. CRYPTO is
 * read to its end and stays the caller's.
 */
bool kern_crypto_is_synchronous(FILE *crypto, const char *name);
