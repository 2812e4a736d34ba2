#pragma once
/*
 * IKEv2 on the wire: numbers and shapes of RFC 7296 section 3 and its extensions. All integers are
 * in network order. Lists in macros give both the constant and its name in logs (ike_names.h).
 *
 * Message: header (3.1), then payloads, each with the generic payload header (3.2).
 *
 *                      1                   2                   3
 *  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 * +---------------------------------------------------------------+
 * |                     IKE SA Initiator's SPI                    | 0, never zero
 * |                                                               |
 * +---------------------------------------------------------------+
 * |                     IKE SA Responder's SPI                    | 8, zero in the first request
 * |                                                               |
 * +---------------+-------+-------+---------------+---------------+
 * | Next Payload  | MjVer | MnVer | Exchange Type |     Flags     | 16
 * +---------------+-------+-------+---------------+---------------+
 * |                          Message ID                           | 20
 * +---------------------------------------------------------------+
 * |                  Length: header and payloads                  | 24
 * +-+-------------+---------------+-------------------------------+
 *
 * +---------------+-+-------------+-------------------------------+
 * | Next Payload  |C|  Reserved   |  Length: with these 4 bytes   |
 * +---------------+-+-------------+-------------------------------+
 */

enum {
	IKE_HEADER_SIZE = 28,
	IKE_HEADER_LENGTH_AT = 24,
	IKE_HEADER_NEXT_AT = 16,
	IKE_PAYLOAD_HEADER_SIZE = 4,
	IKE_PAYLOAD_CRITICAL = 0x80, /* 2.5 */
	IKE_VERSION_2_0 = 0x20,
	IKE_NONCE_MIN = 16, /* 3.9, bytes */
	IKE_NONCE_MAX = 256,
	IKE_COOKIE_MAX = 64, /* 2.6, bytes */
	IKE_SPI_SIZE = 8,    /* 3.1 */
	IKE_ESP_SPI_SIZE = 4,
	IKE_ESP_SPI_MIN = 256, /* below are reserved ones, RFC 4303 section 2.1 */
	IKE_SK_IV_SIZE = 8,  /* RFC 5282 section 3, RFC 7634 section 3 */
	IKE_SKF_SIZE = 4,    /* RFC 7383 section 2.5: number and total, between header and IV */
};

enum ike_flag { /* 3.1 */
	IKE_FLAG_INITIATOR = 0x08, /* sent by the original initiator of the IKE SA */
	IKE_FLAG_VERSION = 0x10,   /* speaks a higher major version too */
	IKE_FLAG_RESPONSE = 0x20,
};

/* 3.1; RFC 5723, 9242, 9370 */
#define IKE_EXCHANGE_LIST(X)		\
	X(SA_INIT, 34)			\
	X(AUTH, 35)			\
	X(CREATE_CHILD_SA, 36)		\
	X(INFORMATIONAL, 37)		\
	X(SESSION_RESUME, 38)		\
	X(INTERMEDIATE, 43)		\
	X(FOLLOWUP_KE, 44)

/* 3.2; SKF: RFC 7383 */
#define IKE_PAYLOAD_LIST(X)		\
	X(NONE, 0)			\
	X(SA, 33)			\
	X(KE, 34)			\
	X(IDI, 35)			\
	X(IDR, 36)			\
	X(CERT, 37)			\
	X(CERTREQ, 38)			\
	X(AUTH, 39)			\
	X(NONCE, 40)			\
	X(NOTIFY, 41)			\
	X(DELETE, 42)			\
	X(VENDOR, 43)			\
	X(TSI, 44)			\
	X(TSR, 45)			\
	X(SK, 46)			\
	X(CP, 47)			\
	X(EAP, 48)			\
	X(GSPM, 49)			\
	X(SKF, 53)

/*
 * Notify (3.10): what follows the SPI depends on the type. Errors are below 16384.
 * +---------------+---------------+-------------------------------+
 * |  Protocol ID  |   SPI Size    |      Notify Message Type      |
 * +---------------+---------------+-------------------------------+
 * |                   SPI, then notification data                 |
 * +---------------------------------------------------------------+
 * 3.10.1; RFC 4555 (MOBIKE), 5685, 5998, 6023, 6290, 6311, 7383, 7427, 8019, 8784, 9242, 9370
 */
#define IKE_NOTIFY_LIST(X)			\
	X(UNSUPPORTED_CRITICAL_PAYLOAD, 1)	\
	X(INVALID_IKE_SPI, 4)			\
	X(INVALID_MAJOR_VERSION, 5)		\
	X(INVALID_SYNTAX, 7)			\
	X(INVALID_MESSAGE_ID, 9)		\
	X(INVALID_SPI, 11)			\
	X(NO_PROPOSAL_CHOSEN, 14)		\
	X(INVALID_KE_PAYLOAD, 17)		\
	X(AUTHENTICATION_FAILED, 24)		\
	X(SINGLE_PAIR_REQUIRED, 34)		\
	X(NO_ADDITIONAL_SAS, 35)		\
	X(INTERNAL_ADDRESS_FAILURE, 36)		\
	X(FAILED_CP_REQUIRED, 37)		\
	X(TS_UNACCEPTABLE, 38)			\
	X(INVALID_SELECTORS, 39)		\
	X(UNACCEPTABLE_ADDRESSES, 40)		\
	X(UNEXPECTED_NAT_DETECTED, 41)		\
	X(TEMPORARY_FAILURE, 43)		\
	X(CHILD_SA_NOT_FOUND, 44)		\
	X(INITIAL_CONTACT, 16384)		\
	X(SET_WINDOW_SIZE, 16385)		\
	X(ADDITIONAL_TS_POSSIBLE, 16386)	\
	X(IPCOMP_SUPPORTED, 16387)		\
	X(NAT_DETECTION_SOURCE_IP, 16388)	\
	X(NAT_DETECTION_DESTINATION_IP, 16389)	\
	X(COOKIE, 16390)			\
	X(USE_TRANSPORT_MODE, 16391)		\
	X(REKEY_SA, 16393)			\
	X(ESP_TFC_PADDING_NOT_SUPPORTED, 16394)	\
	X(NON_FIRST_FRAGMENTS_ALSO, 16395)	\
	X(MOBIKE_SUPPORTED, 16396)		\
	X(ADDITIONAL_IP4_ADDRESS, 16397)	\
	X(ADDITIONAL_IP6_ADDRESS, 16398)	\
	X(NO_ADDITIONAL_ADDRESSES, 16399)	\
	X(UPDATE_SA_ADDRESSES, 16400)		\
	X(COOKIE2, 16401)			\
	X(NO_NATS_ALLOWED, 16402)		\
	X(AUTH_LIFETIME, 16403)			\
	X(REDIRECT_SUPPORTED, 16406)		\
	X(REDIRECT, 16407)			\
	X(REDIRECTED_FROM, 16408)		\
	X(EAP_ONLY_AUTHENTICATION, 16417)	\
	X(CHILDLESS_IKEV2_SUPPORTED, 16418)	\
	X(QUICK_CRASH_DETECTION, 16419)		\
	X(FRAGMENTATION_SUPPORTED, 16430)	\
	X(SIGNATURE_HASH_ALGORITHMS, 16431)	\
	X(USE_PPK, 16435)			\
	X(INTERMEDIATE_EXCHANGE_SUPPORTED, 16438) \
	X(ADDITIONAL_KEY_EXCHANGE, 16441)

#define IKE_EXCHANGE_ITEM(name, number) IKE_EXCHANGE_##name = number,
#define IKE_PAYLOAD_ITEM(name, number) IKE_PAYLOAD_##name = number,
#define IKE_NOTIFY_ITEM(name, number) IKE_NOTIFY_##name = number,
enum ike_exchange { IKE_EXCHANGE_LIST(IKE_EXCHANGE_ITEM) };
enum ike_payload_type { IKE_PAYLOAD_LIST(IKE_PAYLOAD_ITEM) };
enum ike_notify_type { IKE_NOTIFY_LIST(IKE_NOTIFY_ITEM) };
#undef IKE_EXCHANGE_ITEM
#undef IKE_PAYLOAD_ITEM
#undef IKE_NOTIFY_ITEM

enum { IKE_NOTIFY_STATUS_FIRST = 16384 }; /* types below it are errors, 3.10.1 */

/*
 * SA (3.3): proposals, each with its transforms, each with its attributes.
 * +---------------+---------------+-------------------------------+
 * | 2 more 0 last |   Reserved    |        Proposal Length        | proposal (3.3.1)
 * +---------------+---------------+---------------+---------------+
 * | Proposal Num  |  Protocol ID  |   SPI Size    |Num Transforms |
 * +---------------+---------------+---------------+---------------+
 * |                    SPI, then the transforms                   |
 * +---------------------------------------------------------------+
 * +---------------+---------------+-------------------------------+
 * | 3 more 0 last |   Reserved    |       Transform Length        | transform (3.3.2)
 * +---------------+---------------+-------------------------------+
 * |Transform Type |   Reserved    |         Transform ID          |
 * +---------------+---------------+-------------------------------+
 * |F|   Attribute Type            | F=1: value; F=0: its length   | attribute (3.3.5)
 * +-+-----------------------------+-------------------------------+
 */
enum {
	IKE_PROPOSAL_SIZE = 8,
	IKE_PROPOSAL_MORE = 2,
	IKE_TRANSFORM_SIZE = 8,
	IKE_TRANSFORM_MORE = 3,
	IKE_ATTR_SIZE = 4,
	IKE_ATTR_FIXED = 0x8000,   /* the F bit: two-byte value in place of the length */
	IKE_ATTR_KEY_LENGTH = 14,  /* bits */
};

enum ike_protocol { /* 3.3.1 */
	IKE_PROTOCOL_NONE = 0,
	IKE_PROTOCOL_IKE = 1,
	IKE_PROTOCOL_AH = 2,
	IKE_PROTOCOL_ESP = 3,
};

enum ike_transform_type { /* 3.3.2 */
	IKE_TRANSFORM_ENCR = 1,
	IKE_TRANSFORM_PRF = 2,
	IKE_TRANSFORM_INTEG = 3,
	IKE_TRANSFORM_DH = 4,
	IKE_TRANSFORM_ESN = 5,
};

enum ike_encr_id { /* RFC 5282, RFC 7634: no Key Length with the latter */
	IKE_ENCR_ID_AES_GCM_16 = 20,
	IKE_ENCR_ID_CHACHA20_POLY1305 = 28,
};

enum ike_prf_id { IKE_PRF_ID_HMAC_SHA2_256 = 5, IKE_PRF_ID_HMAC_SHA2_512 = 7 }; /* RFC 4868 */
enum ike_integ_id { IKE_INTEG_ID_NONE = 0 };                                    /* 3.3.2 */
enum ike_dh_id { IKE_DH_ID_NONE = 0, IKE_DH_ID_CURVE25519 = 31 };               /* RFC 8031 */
enum ike_esn_id { IKE_ESN_ID_NO = 0, IKE_ESN_ID_YES = 1 };                      /* 3.3.2 */

/*
 * KE (3.4)   | DH Group (2)  | Reserved (2) | data |       Nonce (3.9) | 16 to 256 bytes |
 * ID (3.5)   | ID Type (1)   | Reserved (3) | data |
 * AUTH (3.8) | Method (1)    | Reserved (3) | data |
 * Delete (3.11) | Protocol (1) | SPI Size (1) | Num of SPIs (2) | SPIs |
 */
enum ike_id_type { /* 3.5; NULL: RFC 7619 section 2.2 */
	IKE_ID_IPV4_ADDR = 1,
	IKE_ID_FQDN = 2,
	IKE_ID_RFC822_ADDR = 3,
	IKE_ID_IPV6_ADDR = 5,
	IKE_ID_DER_ASN1_DN = 9,
	IKE_ID_DER_ASN1_GN = 10,
	IKE_ID_KEY_ID = 11,
	IKE_ID_NULL = 13,
};

enum ike_auth_method { /* 3.8; RFC 7619 section 2.1; RFC 7427 section 3 */
	IKE_AUTH_METHOD_RSA = 1,
	IKE_AUTH_METHOD_PSK = 2,
	IKE_AUTH_METHOD_NULL = 13,
	IKE_AUTH_METHOD_SIGNATURE = 14, /* data: length (1), AlgorithmIdentifier, signature */
};

enum ike_hash_id { /* SIGNATURE_HASH_ALGORITHMS, RFC 7427 section 4; IDENTITY: RFC 8420 */
	IKE_HASH_ID_SHA1 = 1,
	IKE_HASH_ID_SHA2_256 = 2,
	IKE_HASH_ID_SHA2_384 = 3,
	IKE_HASH_ID_SHA2_512 = 4,
	IKE_HASH_ID_IDENTITY = 5,
};

/*
 * Traffic selectors (3.13): | Number of TSs (1) | Reserved (3) | then each (3.13.1):
 * +---------------+---------------+-------------------------------+
 * |   TS Type     |IP Protocol ID |  Selector Length: 16 or 40    |
 * +---------------+---------------+-------------------------------+
 * |           Start Port          |           End Port            |
 * +-------------------------------+-------------------------------+
 * |             Starting Address, then Ending Address             |
 * +---------------------------------------------------------------+
 */
enum ike_ts_type { IKE_TS_TYPE_IPV4_RANGE = 7, IKE_TS_TYPE_IPV6_RANGE = 8 };
enum { IKE_TS_IPV4_SIZE = 16, IKE_TS_IPV6_SIZE = 40 };

/* CP (3.15): | CFG Type (1) | Reserved (3) | then each: | R, Attribute Type (2) | Length (2) | */
enum ike_cfg_type { /* 3.15 */
	IKE_CFG_REQUEST = 1,
	IKE_CFG_REPLY = 2,
	IKE_CFG_SET = 3,
	IKE_CFG_ACK = 4,
};

enum ike_cfg_attr { /* 3.15.1; sizes of a value in a reply */
	IKE_CFG_ATTR_IP4_ADDRESS = 1, /* 4 */
	IKE_CFG_ATTR_IP4_NETMASK = 2, /* 4 */
	IKE_CFG_ATTR_IP4_DNS = 3,     /* 4 */
	IKE_CFG_ATTR_IP4_NBNS = 4,    /* 4 */
	IKE_CFG_ATTR_IP4_DHCP = 6,    /* 4 */
	IKE_CFG_ATTR_APPLICATION_VERSION = 7,
	IKE_CFG_ATTR_IP6_ADDRESS = 8, /* 17: address, prefix length */
	IKE_CFG_ATTR_IP6_DNS = 10,    /* 16 */
	IKE_CFG_ATTR_IP6_DHCP = 12,   /* 16 */
	IKE_CFG_ATTR_IP4_SUBNET = 13, /* 8: address, netmask */
	IKE_CFG_ATTR_SUPPORTED_ATTRIBUTES = 14,
	IKE_CFG_ATTR_IP6_SUBNET = 15, /* 17 */
};
enum { IKE_CFG_IP6_ADDRESS_SIZE = 17 };
