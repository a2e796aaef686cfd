/*
 * delayproxy: a TCP proxy that puts a network's distance between two programs
 * on one machine, for kernels without netem.
 *
 * Every byte is handed on RTT/2 after it was read, in each direction; nothing
 * else is slowed: there is no limit on bandwidth but the 256 MiB that may be on
 * their way in one direction of one connection. The handshake costs what it
 * costs on a wire, too: connect() through a proxy returns at once, so the
 * connection to the server is made 1.5 RTT after the accept. That is when the
 * ACK of the handshake (and the data sent with it) would have arrived, and a
 * greeting sent at once reaches the client after 2 RTT. Left out: slow start,
 * loss, and the size of packets.
 *
 * Prints the port it listens on, then serves until it is killed or its parent
 * ends. One thread: a list of connections, each with two queues of chunks that
 * know when they are due.
 *
 * cc -O2 -o delayproxy delayproxy.c
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define READ_SIZE (256 * 1024)
#define READS_PER_EVENT 4
#define FLIGHT_MAX ((size_t)256 << 20)
#define NEVER INT64_MAX

struct chunk {
	struct chunk *next;
	int64_t due_ns;
	size_t len, off;
	char data[];
};

/* One direction. */
struct flow {
	struct chunk *head, *tail;
	size_t queued;
	int64_t eof_due_ns;
	bool eof;     /* the source has ended */
	bool full;    /* FLIGHT_MAX reached: not reading */
	bool blocked; /* the sink's socket buffer is full */
	bool done;    /* the end was passed on, or the sink is gone */
};

struct link;

struct end {
	struct link *link; /* NULL for the listener and the timer */
	int fd;
	uint32_t events;
};

/* end[0] is the client, end[1] the server; flow[i] runs from end[i] to end[!i]. */
struct link {
	struct link *next;
	struct end end[2];
	struct flow flow[2];
	int64_t open_ns;
	bool open, dead;
};

static struct {
	int epoll_fd;
	int64_t half_ns;
	struct sockaddr_in upstream;
	struct link *links;
	char buf[READ_SIZE];
} proxy;

static void die(const char *what)
{
	fprintf(stderr, "delayproxy: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static void end_add(struct end *end, int fd, struct link *link)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = end };
	int one = 1;

	end->fd = fd;
	end->link = link;
	end->events = EPOLLIN;
	if (link)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (epoll_ctl(proxy.epoll_fd, EPOLL_CTL_ADD, fd, &ev))
		die("epoll_ctl");
}

static void end_close(struct end *end)
{
	if (end->fd >= 0)
		close(end->fd);
	end->fd = -1;
}

static void flow_drop(struct flow *flow)
{
	while (flow->head) {
		struct chunk *chunk = flow->head;

		flow->head = chunk->next;
		free(chunk);
	}
	flow->tail = NULL;
	flow->queued = 0;
}

static void flow_push(struct flow *flow, const char *data, size_t len, int64_t due_ns)
{
	struct chunk *chunk = malloc(sizeof(*chunk) + len);

	if (!chunk)
		die("malloc");
	*chunk = (struct chunk){ .due_ns = due_ns, .len = len };
	memcpy(chunk->data, data, len);
	if (flow->tail)
		flow->tail->next = chunk;
	else
		flow->head = chunk;
	flow->tail = chunk;
	flow->queued += len;
}

static void flow_read(struct flow *flow, int fd)
{
	for (int i = 0; i < READS_PER_EVENT && flow->queued < FLIGHT_MAX; i++) {
		ssize_t n = recv(fd, proxy.buf, sizeof(proxy.buf), MSG_DONTWAIT);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0) {
			flow->eof = true;
			flow->eof_due_ns = now_ns() + proxy.half_ns;
			return;
		}
		if (!flow->done)
			flow_push(flow, proxy.buf, (size_t)n, now_ns() + proxy.half_ns);
	}
}

/* Hands on what is due. A sink that fails takes the rest of the flow with it. */
static void flow_deliver(struct flow *flow, int fd, int64_t now)
{
	while (flow->head && flow->head->due_ns <= now && !flow->blocked) {
		struct chunk *chunk = flow->head;
		ssize_t n = send(fd, chunk->data + chunk->off, chunk->len - chunk->off,
				 MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			flow->blocked = true;
			break;
		}
		if (n < 0) {
			flow_drop(flow);
			flow->done = true;
			break;
		}
		chunk->off += (size_t)n;
		flow->queued -= (size_t)n;
		if (chunk->off < chunk->len)
			continue;
		flow->head = chunk->next;
		if (!flow->head)
			flow->tail = NULL;
		free(chunk);
	}
	flow->full = flow->queued >= FLIGHT_MAX;
	if (flow->eof && !flow->head && !flow->done && flow->eof_due_ns <= now) {
		shutdown(fd, SHUT_WR);
		flow->done = true;
	}
}

static int64_t flow_next_ns(const struct flow *flow)
{
	if (flow->head)
		return flow->blocked ? NEVER : flow->head->due_ns;
	return flow->eof && !flow->done ? flow->eof_due_ns : NEVER;
}

static void link_open(struct link *link)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *)&proxy.upstream, sizeof(proxy.upstream))) {
		if (fd >= 0)
			close(fd);
		link->dead = true;
		return;
	}
	end_add(&link->end[1], fd, link);
	link->open = true;
}

static void link_watch(struct link *link, int side)
{
	struct end *end = &link->end[side];
	const struct flow *in = &link->flow[side], *out = &link->flow[!side];
	struct epoll_event ev = { .data.ptr = end };

	if (end->fd < 0)
		return;
	if (!in->eof && !in->full)
		ev.events |= EPOLLIN;
	if (out->blocked)
		ev.events |= EPOLLOUT;
	if (ev.events == end->events)
		return;
	end->events = ev.events;
	epoll_ctl(proxy.epoll_fd, EPOLL_CTL_MOD, end->fd, &ev);
}

static void link_free(struct link *link)
{
	for (int side = 0; side < 2; side++) {
		end_close(&link->end[side]);
		flow_drop(&link->flow[side]);
	}
	free(link);
}

/* Does what is due on a link; returns when to look again. */
static int64_t link_run(struct link *link, int64_t now)
{
	int64_t next = NEVER;

	if (!link->open && !link->dead && link->open_ns <= now)
		link_open(link);
	if (link->dead)
		return NEVER;
	if (!link->open)
		return link->open_ns;
	for (int side = 0; side < 2; side++) {
		struct flow *flow = &link->flow[side];
		int64_t flow_next;

		flow_deliver(flow, link->end[!side].fd, now);
		flow_next = flow_next_ns(flow);
		if (flow_next < next)
			next = flow_next;
	}
	link->dead = link->flow[0].done && link->flow[1].done;
	link_watch(link, 0);
	link_watch(link, 1);
	return next;
}

static int64_t links_run(void)
{
	struct link **at = &proxy.links;
	int64_t now = now_ns(), next = NEVER;

	while (*at) {
		struct link *link = *at;
		int64_t link_next = link_run(link, now);

		if (link->dead) {
			*at = link->next;
			link_free(link);
			continue;
		}
		if (link_next < next)
			next = link_next;
		at = &link->next;
	}
	return next;
}

static void accept_all(int listen_fd)
{
	int fd;

	while ((fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		struct link *link = calloc(1, sizeof(*link));

		if (!link)
			die("calloc");
		link->open_ns = now_ns() + 3 * proxy.half_ns;
		link->end[1].fd = -1;
		end_add(&link->end[0], fd, link);
		link->next = proxy.links;
		proxy.links = link;
	}
}

static void end_event(struct end *end, uint32_t events)
{
	struct link *link = end->link;
	int side = end == &link->end[1];
	struct flow *in = &link->flow[side], *out = &link->flow[!side];

	if (events & EPOLLOUT)
		out->blocked = false;
	if (!in->eof && events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
		flow_read(in, end->fd);
	} else if (events & (EPOLLHUP | EPOLLERR)) {
		/* gone for good: nobody is left to read what the other side says */
		epoll_ctl(proxy.epoll_fd, EPOLL_CTL_DEL, end->fd, NULL);
		end->events = 0;
		flow_drop(out);
		out->done = true;
		out->blocked = false;
	}
}

static void timer_set(int timer_fd, int64_t next_ns)
{
	struct itimerspec when = { 0 };

	if (next_ns != NEVER) {
		when.it_value.tv_sec = next_ns / 1000000000;
		when.it_value.tv_nsec = next_ns % 1000000000;
	}
	timerfd_settime(timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
}

static struct sockaddr_in loopback(uint16_t port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET,
				     .sin_port = htons(port),
				     .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

static int listener_new(uint16_t port)
{
	struct sockaddr_in addr = loopback(port);
	socklen_t len = sizeof(addr);
	int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		die("socket");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) || listen(fd, 128) ||
	    getsockname(fd, (struct sockaddr *)&addr, &len))
		die("listen");
	printf("%d\n", ntohs(addr.sin_port));
	fflush(stdout);
	return fd;
}

static void serve(int listen_fd, int timer_fd)
{
	struct end listener, timer;
	int64_t armed = NEVER;

	end_add(&listener, listen_fd, NULL);
	end_add(&timer, timer_fd, NULL);
	for (;;) {
		struct epoll_event events[128];
		int n = epoll_wait(proxy.epoll_fd, events, 128, -1);
		int64_t next;

		for (int i = 0; i < n; i++) {
			struct end *end = events[i].data.ptr;
			uint64_t ticks;

			if (end == &listener)
				accept_all(listen_fd);
			else if (end == &timer)
				armed = read(timer_fd, &ticks, sizeof(ticks)) < 0 ? armed : NEVER;
			else
				end_event(end, events[i].events);
		}
		next = links_run();
		if (next != armed)
			timer_set(timer_fd, next);
		armed = next;
	}
}

int main(int argc, char **argv)
{
	long port = 0, upstream = 0;
	double rtt_ms = -1;
	int c;

	while ((c = getopt(argc, argv, "l:u:r:")) != -1) {
		switch (c) {
		case 'l': port = strtol(optarg, NULL, 10); break;
		case 'u': upstream = strtol(optarg, NULL, 10); break;
		case 'r': rtt_ms = strtod(optarg, NULL); break;
		default: return 2;
		}
	}
	if (upstream <= 0 || upstream > 65535 || port < 0 || port > 65535 ||
	    !(rtt_ms >= 0 && rtt_ms <= 60000)) {
		fputs("usage: delayproxy -u UPSTREAM_PORT -r RTT_MS [-l PORT]\n", stderr);
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	proxy.half_ns = (int64_t)(rtt_ms * 5e5);
	proxy.upstream = loopback((uint16_t)upstream);
	proxy.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (proxy.epoll_fd < 0)
		die("epoll_create1");
	serve(listener_new((uint16_t)port),
	      timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
	return 0;
}
