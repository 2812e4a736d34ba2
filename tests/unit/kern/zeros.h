#pragma once
/* Runs of equal bytes, for arrays that hold netlink messages. */
#include <stdint.h>

#define Z8 0, 0, 0, 0, 0, 0, 0, 0
#define Z16 Z8, Z8
#define F8 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff
#define F16 F8, F8
