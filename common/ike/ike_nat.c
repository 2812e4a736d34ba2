#include "common/ike/ike_nat.h"

#include <string.h>

#include "common/base/buf.h"

void ike_nat_hash(const struct ike_nat_spis *spis, const struct endpoint *e,
		  uint8_t out[IKE_NAT_HASH])
{
	uint8_t data[2 * IKE_SPI_SIZE + sizeof(e->addr.bytes) + 2];
	struct wbuf w = wbuf_init(data, sizeof(data));
	struct crypto_chunk chunk = { .data = data };

	wbuf_u64(&w, spis->i);
	wbuf_u64(&w, spis->r);
	wbuf_bytes(&w, e->addr.bytes, addr_size(&e->addr));
	wbuf_u16(&w, e->port);
	chunk.len = w.len;
	crypto_sha1(&chunk, 1, out);
}

static void build_one(struct ike_build *b, uint16_t type, const struct ike_nat_spis *spis,
		      const struct endpoint *e)
{
	uint8_t hash[IKE_NAT_HASH];

	ike_nat_hash(spis, e, hash);
	ike_build_notify(b, type, hash, sizeof(hash));
}

void ike_nat_build(struct ike_build *b, const struct ike_nat_spis *spis,
		   const struct ike_path *path, bool pretend)
{
	struct endpoint nobody = { .addr = { .family = path->local.addr.family } };

	build_one(b, IKE_NOTIFY_NAT_DETECTION_SOURCE_IP, spis, pretend ? &nobody : &path->local);
	build_one(b, IKE_NOTIFY_NAT_DETECTION_DESTINATION_IP, spis, &path->remote);
}

/* Whether a notify of TYPE is there; *FITS when one of them has the hash of E. */
static bool find_hash(const struct ike_payloads *p, uint16_t type, const uint8_t *hash, bool *fits)
{
	bool found = false;

	*fits = false;
	for (size_t i = 0; i < p->notify_count; i++) {
		const struct ike_notify *n = &p->notifies[i];

		if (n->type != type)
			continue;
		found = true;
		if (n->data.len == IKE_NAT_HASH && memcmp(n->data.data, hash, IKE_NAT_HASH) == 0)
			*fits = true;
	}
	return found;
}

struct ike_nat ike_nat_detect(const struct ike_payloads *p, const struct ike_nat_spis *spis,
			      const struct ike_path *path)
{
	uint8_t local[IKE_NAT_HASH], remote[IKE_NAT_HASH];
	bool local_fits, remote_fits;

	ike_nat_hash(spis, &path->local, local);
	ike_nat_hash(spis, &path->remote, remote);
	if (!find_hash(p, IKE_NOTIFY_NAT_DETECTION_SOURCE_IP, remote, &remote_fits) ||
	    !find_hash(p, IKE_NOTIFY_NAT_DETECTION_DESTINATION_IP, local, &local_fits))
		return (struct ike_nat){ 0 };
	return (struct ike_nat){ .told = true, .local = !local_fits, .remote = !remote_fits };
}

bool ike_nat_is_absent(struct ike_view data, const struct ike_path *path)
{
	size_t size = addr_size(&path->remote.addr);
	struct rbuf r = rbuf_init(data.data, data.len);
	const uint8_t *remote = rbuf_bytes(&r, size), *local = rbuf_bytes(&r, size);
	uint16_t remote_port = rbuf_u16(&r), local_port = rbuf_u16(&r);

	return r.err == 0 && r.left == 0 && memcmp(remote, path->remote.addr.bytes, size) == 0 &&
	       memcmp(local, path->local.addr.bytes, size) == 0 &&
	       remote_port == path->remote.port && local_port == path->local.port;
}
