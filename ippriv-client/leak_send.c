#include "ippriv-client/leak_send.h"

#include <errno.h>
#include <string.h>

#include "common/base/buf.h"

enum { TTL = 64, ECHO_REQUEST = 8, TYPE_A = 1, CLASS_IN = 1, RECURSION = 0x0100 };

void leak_payload(const char *label, uint8_t *out, size_t len)
{
	size_t size = strlen(label);

	for (size_t i = 0; i < len; i++)
		out[i] = (uint8_t)label[i % size];
}

static void put_label(struct wbuf *w, const char *text)
{
	size_t len = strlen(text);

	wbuf_u8(w, (uint8_t)len);
	wbuf_bytes(w, text, len);
}

size_t leak_query(const char *label, const char *zone, uint8_t *out, size_t size)
{
	struct wbuf w = wbuf_init(out, size);

	wbuf_u16(&w, 0x1eaf); /* any number: nobody waits for it but one socket */
	wbuf_u16(&w, RECURSION);
	wbuf_u16(&w, 1); /* questions */
	wbuf_u16(&w, 0);
	wbuf_u32(&w, 0);
	put_label(&w, label);
	put_label(&w, zone);
	wbuf_u8(&w, 0);
	wbuf_u16(&w, TYPE_A);
	wbuf_u16(&w, CLASS_IN);
	return w.err ? 0 : w.len;
}

/* RFC 1071. */
static uint16_t checksum(const uint8_t *data, size_t len)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < len; i++)
		sum += i % 2 ? data[i] : (uint32_t)data[i] << 8;
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

size_t leak_datagram(const struct addr *src, const struct addr *dst, uint16_t port,
		     const char *label, uint8_t *out, size_t size)
{
	struct wbuf w = wbuf_init(out, size);
	size_t len = strlen(label);

	wbuf_u16(&w, 0x4500);
	wbuf_u16(&w, (uint16_t)(28 + len));
	wbuf_u32(&w, 0); /* identification, no fragment */
	wbuf_u8(&w, TTL);
	wbuf_u8(&w, IPPROTO_UDP);
	wbuf_u16(&w, 0);
	wbuf_bytes(&w, src->bytes, 4);
	wbuf_bytes(&w, dst->bytes, 4);
	if (!w.err)
		wbuf_patch_u16(&w, 10, checksum(out, 20));
	wbuf_u16(&w, port);
	wbuf_u16(&w, port);
	wbuf_u16(&w, (uint16_t)(8 + len));
	wbuf_u16(&w, 0); /* no checksum */
	wbuf_bytes(&w, label, len);
	return w.err ? 0 : w.len;
}

size_t leak_echo(const char *label, uint8_t *out, size_t size)
{
	struct wbuf w = wbuf_init(out, size);

	wbuf_u16(&w, ECHO_REQUEST << 8);
	wbuf_u16(&w, 0);
	wbuf_u32(&w, 0x1eaf0001); /* identifier (the kernel's own where it is asked to), number */
	wbuf_bytes(&w, label, strlen(label));
	if (w.err)
		return 0;
	wbuf_patch_u16(&w, 2, checksum(out, w.len));
	return w.len;
}

int leak_socket(struct leak_sockets *out, int family, int type, int protocol)
{
	int fd;

	if (out->count == LEAK_SOCKETS_MAX)
		return -ENOSPC;
	fd = socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
	if (fd < 0)
		return -errno;
	out->fd[out->count++] = fd;
	return 0;
}

int leak_say(const struct leak_sockets *out, const struct addr *to, uint16_t port, const void *data,
	     size_t len)
{
	struct endpoint e = { *to, port };
	struct sockaddr_storage ss;
	socklen_t size = endpoint_to_sockaddr(&e, &ss);
	int fd = out->fd[out->count - 1];

	if (connect(fd, (struct sockaddr *)&ss, size) < 0 && errno != EINPROGRESS)
		return -errno;
	return len > 0 && send(fd, data, len, 0) < 0 ? -errno : 0;
}
