#pragma once
/*
 * Two IKE hosts in one process, an initiator and a responder, joined by a queue that can delay,
 * lose, duplicate, reorder and corrupt what it carries. Clock and randomness are the harness's, so
 * the same seed gives the same run.
 */
#include "common/ike/ike_heap.h"
#include "common/ike/ike_host.h"

enum { DUO_MESSAGE_MAX = 3100, DUO_CHILDREN = 8 };

/* A child SA as the data path of one side has it; spi_in 0: none. */
struct duo_child {
	struct ike_child child;
	bool out; /* its outbound half is there too */
};

/* What an SA was told to the outside; one for each SA that the outside heard of. */
struct duo_record {
	struct duo_side *side;
	struct ike_sa *sa;       /* NULL once ended */
	unsigned int admits, ups, established, ended;
	enum ike_end why;
	uint16_t notify;         /* at the end */
	struct ike_peer peer;
	bool want_lease, has_lease;
	struct ike_child child;  /* the first */
	struct ike_lease lease;  /* as child_up got it */
	struct duo_child children[DUO_CHILDREN];
	uint32_t sending;        /* inbound SPI of the child SA that traffic goes out through */
	unsigned int adds, switches, mutes, dels; /* of child SAs; child_up is none */
	unsigned int replacements; /* of the IKE SA */
	unsigned int moves;
	struct ike_path moved_from; /* the last time, and where to */
	struct ike_sa_info moved_to;
	bool moved_from_encap;
};

/* A place in an SA's life where a test may interfere. */
enum duo_event { DUO_ADMIT, DUO_CHILD_UP, DUO_CHILD_ADD, DUO_CHILD_SWITCH, DUO_CHILD_MUTE, DUO_CHILD_DEL,
		 DUO_REPLACED, DUO_ESTABLISHED, DUO_ENDED };

struct duo_side {
	struct duo *duo;
	struct ike_host *host;
	struct crypto_sign_key key;
	struct duo_record **records; /* in order of appearance */
	size_t count, size;
	size_t sent;                 /* datagrams */
	int admit_result, child_up_result, child_add_result, child_switch_result;
	int float_result, moved_result;
	unsigned int keepalives;
	uint64_t keepalive_at;       /* the last */
	struct ike_lease lease;      /* what admit gives */
	struct ike_ts_list local;
	void (*hook)(struct duo_record *record, enum duo_event event);
};

struct duo_faults {
	unsigned int lose, duplicate, corrupt; /* percent */
	unsigned int delay_min, delay_max;     /* milliseconds */
};

struct duo_datagram {
	struct duo_side *to;
	struct ike_path path; /* as the receiver sees it */
	uint64_t at; /* when it arrives */
	struct ike_heap_item place;
	size_t len;
	uint8_t msg[DUO_MESSAGE_MAX];
};

struct duo {
	struct duo_side a, b; /* initiator, responder */
	uint64_t now, seed, fault_seed, numbers;
	uint32_t spi_space; /* SPIs of child SAs are drawn below it, 0: no bound */
	struct duo_faults faults;
	struct ike_heap queue;
	/* Sees every datagram before it is queued; false: it is gone. */
	bool (*tap)(struct duo *duo, struct duo_side *from, uint8_t *msg, size_t *len);
	/* Turns the path of a datagram of FROM into what the receiver sees; false: it gets lost. */
	bool (*route)(struct duo *duo, struct duo_side *from, struct ike_path *seen);
	struct duo_datagram *log[64]; /* the first ones, with TO and PATH, when recording */
	size_t logged;
	bool recording;
};

void duo_init(struct duo *duo, uint64_t seed);
/* Makes both hosts; CONF's values count, its ops, user, key and role do not. NULL: defaults. */
void duo_start(struct duo *duo, const struct ike_host_conf *conf);
void duo_fini(struct duo *duo);
struct ike_path duo_path(void);                       /* from initiator to responder */
struct ike_init_conf duo_client(const struct duo *d); /* NULL authentication, wants a lease */
struct ike_init_conf duo_relay(const struct duo *d);  /* Ed25519, no lease */
/* Starts an SA; its record, which is freed by duo_fini. */
struct duo_record *duo_initiate(struct duo *duo, const struct ike_init_conf *conf);
/* Starts one and lets both sides come to rest. */
struct duo_record *duo_connect(struct duo *duo, const struct ike_init_conf *conf);
/* Delivers and ticks until the clock stands at UNTIL. */
void duo_run(struct duo *duo, uint64_t until);
/* Delivers what is on the way, and nothing else. */
void duo_settle(struct duo *duo);
/* Puts a datagram on the way to SIDE from the other one's address, without faults. */
void duo_inject(struct duo_side *to, const struct ike_path *path, const void *msg, size_t len);
struct ike_path duo_path_to(const struct duo_side *to); /* as TO sees it */
struct duo_record *duo_last(const struct duo_side *side);
/* The child SA with this inbound SPI; NULL: none. */
struct duo_child *duo_child(struct duo_record *record, uint32_t spi_in);
size_t duo_children(const struct duo_record *record); /* how many there are */
struct ike_host_counters duo_counters(const struct duo_side *side);
uint64_t duo_random(uint64_t *seed);
