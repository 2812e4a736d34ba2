/* Key files: a seed as hex and a newline that nobody else may read. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/log.h"
#include "common/crypto/crypto.h"

enum { KEY_FILE = CRYPTO_HEX }; /* 64 digits and a newline */

/*
 * systemd gives a service that may not read PATH a copy of the same name (LoadCredential=), for its
 * user alone: by an ACL, whose mask stands where else the group's bits are.
 */
static int open_key(const char *path, mode_t *others)
{
	const char *dir = getenv("CREDENTIALS_DIRECTORY"), *slash = strrchr(path, '/');
	char copy[PATH_MAX];
	int fd = -1;

	*others = 037;
	if (dir && snprintf(copy, sizeof(copy), "%s/%s", dir, slash ? slash + 1 : path) <
			   (int)sizeof(copy))
		fd = open(copy, O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		return fd;
	*others = 077;
	return open(path, O_RDONLY | O_CLOEXEC);
}

int crypto_key_load(const char *path, struct crypto_sign_key *out)
{
	mode_t others;
	_cleanup_close_ int fd = open_key(path, &others);
	uint8_t seed[CRYPTO_SIGN_SEED];
	char text[KEY_FILE + 1];
	struct stat st;
	ssize_t len;
	int err;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EBADMSG;
	if (st.st_mode & others)
		return -EPERM;
	len = read(fd, text, sizeof(text));
	if (len < 0)
		return -errno;
	err = -EBADMSG;
	if (len == KEY_FILE && text[KEY_FILE - 1] == '\n') {
		text[KEY_FILE - 1] = '\0';
		err = crypto_hex_parse(text, seed) < 0 ? -EBADMSG : 0;
	}
	if (err == 0)
		crypto_sign_key_from_seed(seed, out);
	crypto_wipe(text, sizeof(text));
	crypto_wipe(seed, sizeof(seed));
	return err;
}

int crypto_key_create(const char *path, struct crypto_sign_key *out)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	struct crypto_sign_key key;
	uint8_t seed[CRYPTO_SIGN_SEED];
	char text[KEY_FILE];
	int err = 0;

	if (fd < 0)
		return -errno;
	crypto_random(seed, sizeof(seed));
	crypto_sign_key_from_seed(seed, &key);
	crypto_hex(seed, text);
	text[KEY_FILE - 1] = '\n';
	errno = EIO;
	if (write(fd, text, sizeof(text)) != (ssize_t)sizeof(text) || fsync(fd) < 0) {
		err = -errno;
		unlink(path);
	} else {
		*out = key;
	}
	crypto_wipe(text, sizeof(text));
	crypto_wipe(seed, sizeof(seed));
	crypto_sign_key_wipe(&key);
	return err;
}

void crypto_key_why(int err, const char *path, const char *program, char *why, size_t size)
{
	switch (err) {
	case -ENOENT:
		snprintf(why, size, "%s: is not there; make a key with `%s --keygen %s`", path,
			 program, path);
		break;
	case -EPERM:
		snprintf(why, size, "%s: others can read this key; `chmod 600 %s`", path, path);
		break;
	case -EACCES:
		snprintf(why, size, "%s: this user may not read it; run as its owner", path);
		break;
	case -EBADMSG:
		snprintf(why, size, "%s: is no key file; make one with `%s --keygen FILE`", path,
			 program);
		break;
	default:
		snprintf(why, size, "%s: %s; name another key file", path, strerror(-err));
	}
}

int crypto_keygen(const char *path)
{
	struct crypto_sign_key key;
	char hex[CRYPTO_HEX];
	int err = crypto_key_create(path, &key);

	if (err == -EEXIST)
		log_error("%s: is there already; remove it first if it is not in use", path);
	else if (err < 0)
		log_error("%s: %s; name a file in a folder that can be written", path,
			  strerror(-err));
	if (err < 0)
		return err;
	puts(crypto_hex(key.pub.bytes, hex));
	crypto_sign_key_wipe(&key);
	return 0;
}
