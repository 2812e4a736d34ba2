#include "common/kern/kern_ops.h"

#include <errno.h>

int kern_plan_add(const struct kern *kern, const struct kern_op *ops, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		int err = kern->add(kern->ctx, &ops[i]);

		if (err < 0) {
			(void)kern_plan_del(kern, ops, i);
			return err;
		}
	}
	return 0;
}

int kern_plan_del(const struct kern *kern, const struct kern_op *ops, size_t count)
{
	int first = 0;

	for (size_t i = count; i > 0; i--) {
		int err = kern->del(kern->ctx, &ops[i - 1]);

		if (err < 0 && err != -ENOENT && first == 0)
			first = err;
	}
	return first;
}

void kern_plan_wipe(struct kern_op *ops, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (ops[i].type == KERN_OP_SA)
			secret_wipe(&ops[i].sa.key);
}
