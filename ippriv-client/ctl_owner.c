#include "ippriv-client/ctl_owner.h"

#include <errno.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

int ctl_owner_check(int fd, uid_t uid)
{
	_cleanup_close_ int user_ns = -1;
	struct stat theirs, ours;
	uid_t owner;

	if (ioctl(fd, NS_GET_NSTYPE) != CLONE_NEWNET)
		return -EINVAL;
	if (fstat(fd, &theirs) < 0 || stat("/proc/self/ns/net", &ours) < 0)
		return -errno;
	if (theirs.st_dev == ours.st_dev && theirs.st_ino == ours.st_ino)
		return -EBUSY;
	user_ns = ioctl(fd, NS_GET_USERNS);
	if (user_ns < 0 || ioctl(user_ns, NS_GET_OWNER_UID, &owner) < 0)
		return -EPERM;
	return owner == uid ? 0 : -EPERM;
}
