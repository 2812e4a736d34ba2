/* Attacks by the peer itself, in and after IKE_AUTH: what it encrypts reaches the whole protocol. */
#include "ike_script.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	script_run(data, size, true);
	return 0;
}
