/* Attacks by somebody who holds no key: on the responder, and on an initiator that waits. */
#include "ike_script.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	script_run(data, size, false);
	return 0;
}
