// SPDX-License-Identifier: GPL-2.0-only
/*
 * Runs in a lab host: what a debugger does with a guest through QEMU's stub, in the
 * remote protocol of gdb. TAP.
 *
 *	gdbstub SOCKET ADDRESS
 *
 * ADDRESS is that of a function the guest's kernel goes through all the time.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define RIP		16		/* in the order of a 'g' packet */
#define LONGEST		15		/* bytes of an instruction */

static int fd, count, failures;
static char packet[16384];

static void die(const char *what)
{
	printf("Bail out! %s\n", what);
	exit(1);
}

static int get(void)
{
	unsigned char c;

	if (read(fd, &c, 1) != 1)
		die("QEMU's stub does not answer");
	return c;
}

/* A packet's checksum is looked at by neither side on a reliable transport; ours is right. */
static void put(const char *text)
{
	unsigned char sum = 0;
	const char *p;
	char buf[256];

	for (p = text; *p; p++)
		sum += *p;
	snprintf(buf, sizeof(buf), "$%s#%02x", text, sum);
	if (write(fd, buf, strlen(buf)) != (ssize_t)strlen(buf))
		die("QEMU's stub is gone");
}

static const char *reply(void)
{
	size_t n = 0;
	int c;

	while (get() != '$')
		;
	while ((c = get()) != '#')
		if (n < sizeof(packet) - 1)
			packet[n++] = c;
	packet[n] = 0;
	get();
	get();
	if (write(fd, "+", 1) != 1)
		die("QEMU's stub is gone");
	return packet;
}

static const char *ask(const char *text)
{
	put(text);
	return reply();
}

static unsigned long rip(void)
{
	char value[17] = "", turned[17] = "";
	int i;

	if (strlen(ask("g")) < 16 * (RIP + 1))
		die("no registers");
	memcpy(value, packet + 16 * RIP, 16);
	for (i = 0; i < 16; i += 2)
		memcpy(turned + i, value + 14 - i, 2);
	return strtoul(turned, NULL, 16);
}

static void result(int ok, const char *name)
{
	printf("%sok %d gdb: %s\n", ok ? "" : "not ", ++count, name);
	if (!ok) {
		printf("# the last answer was: %.300s\n", packet);
		failures++;
	}
	fflush(stdout);
}

static int stopped_at(unsigned long address)
{
	return !strncmp(packet, "T05", 3) && rip() == address;
}

/* The guest stops because somebody attached, and the stub says so unasked. */
static void drain(void)
{
	char buf[256];

	sleep(2);
	while (recv(fd, buf, sizeof(buf), MSG_DONTWAIT) > 0)
		;
}

/* One instruction on: past the one at address, and still near it. */
static int stepped(unsigned long address)
{
	unsigned long at;

	if (strncmp(ask("s"), "T05", 3))
		return 0;
	at = rip();
	return at > address && at <= address + LONGEST;
}

int main(int argc, char **argv)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	struct timeval limit = { .tv_sec = 120 };
	unsigned long address;
	char set[64], clear[64], before[64];

	if (argc < 3)
		die("usage: gdbstub SOCKET ADDRESS");
	address = strtoul(argv[2], NULL, 16);
	snprintf(to.sun_path, sizeof(to.sun_path), "%s", argv[1]);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	if (fd < 0 || connect(fd, (void *)&to, sizeof(to)))
		die("cannot connect");
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));

	printf("1..6\n");
	drain();
	result(!strncmp(ask("?"), "T0", 2) && rip(), "attaching stops the guest");

	snprintf(set, sizeof(set), "m%lx,8", address);
	snprintf(before, sizeof(before), "%.16s", ask(set));
	snprintf(set, sizeof(set), "Z1,%lx,1", address);
	snprintf(clear, sizeof(clear), "z1,%lx,1", address);
	if (strcmp(ask(set), "OK"))
		die("no hardware breakpoint");
	ask("c");
	result(stopped_at(address), "a hardware breakpoint stops it");
	ask(clear);
	result(stepped(address), "a step executes one instruction");

	set[1] = clear[1] = '0';
	if (strcmp(ask(set), "OK"))
		die("no software breakpoint");
	ask("c");
	result(stopped_at(address), "a software breakpoint stops it");
	ask(clear);
	result(stepped(address), "a step executes what the breakpoint covered");
	snprintf(set, sizeof(set), "m%lx,8", address);
	result(!strcmp(ask(set), before), "the guest's memory is as it was");
	ask("D");
	return !!failures;
}
