/* tunnel: IP packets over one TCP connection, the thing that the report's figure 2 warns of.
 *
 *   tunnel serve DEVICE ADDR:PORT    waits for one peer; the first end
 *   tunnel join DEVICE ADDR:PORT     the other end
 *
 * DEVICE is a TUN interface that it makes. On the connection, each packet comes after its length in two bytes. Says "tunnel: ready".
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static int device, peer;

static void die(const char *what)
{
	fprintf(stderr, "tunnel: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void open_device(const char *name)
{
	struct ifreq request = { .ifr_flags = IFF_TUN | IFF_NO_PI };

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	device = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	if (device < 0 || ioctl(device, TUNSETIFF, &request))
		die(name);
}

static void open_peer(int serve, const char *where)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	char host[INET_ADDRSTRLEN];
	unsigned int port;
	int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);

	if (sscanf(where, "%15[0-9.]:%u", host, &port) != 2 || inet_pton(AF_INET, host, &a.sin_addr) != 1)
		die(where);
	a.sin_port = htons((uint16_t)port);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (serve) {
		if (bind(fd, (struct sockaddr *)&a, sizeof(a)) || listen(fd, 1))
			die(where);
		peer = accept(fd, NULL, NULL);
	} else {
		peer = connect(fd, (struct sockaddr *)&a, sizeof(a)) ? -1 : fd;
	}
	if (peer < 0)
		die(where);
	setsockopt(peer, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

static void *inwards(void *unused)
{
	unsigned char packet[65536], size[2];
	ssize_t n;

	while (recv(peer, size, 2, MSG_WAITALL) == 2) {
		n = size[0] << 8 | size[1];
		if (recv(peer, packet, (size_t)n, MSG_WAITALL) != n)
			break;
		if (write(device, packet, (size_t)n) != n)
			continue; /* the interface is down or wants none of it */
	}
	exit(0);
	return unused;
}

int main(int argc, char **argv)
{
	static unsigned char packet[2 + 65535];
	pthread_t thread;
	ssize_t n, sent, more;

	if (argc != 4)
		return 2;
	open_device(argv[2]);
	puts("tunnel: made");
	fflush(stdout);
	open_peer(strcmp(argv[1], "serve") == 0, argv[3]);
	if (pthread_create(&thread, NULL, inwards, NULL))
		die("thread");
	puts("tunnel: ready");
	fflush(stdout);
	while ((n = read(device, packet + 2, sizeof(packet) - 2)) > 0) {
		packet[0] = (unsigned char)(n >> 8);
		packet[1] = (unsigned char)n;
		for (sent = 0; sent < n + 2; sent += more) {
			more = send(peer, packet + sent, (size_t)(n + 2 - sent), MSG_NOSIGNAL);
			if (more < 0)
				die("send");
		}
	}
	return 1;
}
