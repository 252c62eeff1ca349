// SPDX-License-Identifier: GPL-2.0-only
/*
 * Init of a lab host: mounts what a host mounts, loads the module asked for,
 * runs the command, passes its input and output, looks through the kernel
 * log for complaints and reports how it ended.  Never returns: whoever runs
 * the emulator ends it after the last frame.
 *
 * What to do comes in two files of the initramfs:
 *   /lab/config    lines of key=value: load, args, stdin (null, channel or
 *                  pty), out (port or uart), kmemleak, heartbeat, rows, cols, term
 *   /lab/command   the command's words, each ended by a zero byte
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/rtc.h>
#include <poll.h>
#include <pty.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "proto.h"

#define KMSG_RECORD	8192

struct config {
	char load[16];
	char args[512];
	char input[16];		/* null, channel, pty */
	char term[64];
	int kmemleak;
	int heartbeat;
	int out_uart;
	struct winsize winsize;
};

struct agent {
	struct config cfg;
	pid_t child;
	int sigfd;
	int uart;		/* -1: no input channel */
	int kmsg;
	int in;			/* where the command's input is written, -1: closed */
	int out, err;		/* the command's output, -1: closed */
	/* input frames being put together */
	uint8_t rx[LAB_HEADER + LAB_PAYLOAD];
	size_t rxlen;
	/* input taken from the channel, not yet by the command */
	uint8_t pend[LAB_WINDOW];
	size_t pendlen;
	int eof;		/* the channel's input has ended */
	uint32_t taken;
	/* the kernel log since the start */
	char *log;
	size_t loglen, logsize;
};

/*
 * ---- output ----
 */

/* The second UART instead of the port, where the emulator can't pass the port on. */
static int out_uart = -1;

static void channel_write(const void *buf, size_t len)
{
	const uint8_t *p = buf;

	while (out_uart < 0 && len--)
		outb(*p++, LAB_PORT);
	while (out_uart >= 0 && len) {
		struct pollfd w = { .fd = out_uart, .events = POLLOUT };
		ssize_t n = write(out_uart, p, len);

		if (n > 0) {
			p += n;
			len -= (size_t)n;
		} else {
			poll(&w, 1, 1000);
		}
	}
}

static void frame(char type, const void *buf, size_t len)
{
	const uint8_t *p = buf;

	do {
		size_t n = len < LAB_PAYLOAD ? len : LAB_PAYLOAD;
		uint8_t head[LAB_HEADER];

		lab_header(head, type, (unsigned int)n);
		channel_write(head, sizeof(head));
		channel_write(p, n);
		p += n;
		len -= n;
	} while (len);
}

static void __attribute__((noreturn)) stop(void)
{
	/* The machine's side ends the emulator; powering off would race it. */
	for (;;)
		pause();
}

static void send_log(struct agent *a)
{
	if (a->loglen)
		frame(LAB_LOG, a->log, a->loglen);
}

static void __attribute__((noreturn, format(printf, 2, 3)))
fail(struct agent *a, const char *fmt, ...)
{
	char text[1024];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (n >= (int)sizeof(text))
		n = sizeof(text) - 1;
	send_log(a);
	frame(LAB_FAIL, text, (size_t)n);
	stop();
}

/*
 * ---- the kernel log ----
 */

/* Takes all new records; a record is "prio,seq,time,flags;text\n key=value\n". */
static void kmsg_read(struct agent *a)
{
	static char rec[KMSG_RECORD];

	for (;;) {
		ssize_t n = read(a->kmsg, rec, sizeof(rec) - 1);
		char *text, *end;
		size_t len;

		if (n < 0 && errno == EPIPE)	/* overrun: go on with the oldest left */
			continue;
		if (n <= 0)
			return;
		rec[n] = 0;
		text = strchr(rec, ';');
		if (!text)
			continue;
		text++;
		end = strchr(text, '\n');
		len = end ? (size_t)(end - text) + 1 : strlen(text);
		if (a->loglen + len + 1 > a->logsize) {
			size_t size = (a->logsize + len) * 2;
			char *p = realloc(a->log, size);

			if (!p)
				return;
			a->log = p;
			a->logsize = size;
		}
		memcpy(a->log + a->loglen, text, len);
		a->loglen += len;
		a->log[a->loglen] = 0;
	}
}

/* Beginnings or parts of the lines by which a kernel says that it is broken. */
static const char *const complaints[] = {
	"BUG: ", "BUG kmalloc", "WARNING: ", "KASAN: ", "UBSAN: ", "KCSAN: ",
	"kernel BUG at", "Oops: ", "general protection fault",
	"possible recursive locking", "possible circular locking",
	"possible irq lock inversion", "inconsistent lock state",
	"INFO: suspicious RCU usage", "suspicious RCU usage",
	"sleeping function called from invalid context",
	"INFO: task ", "INFO: rcu_", "rcu: INFO:", "soft lockup", "hard LOCKUP",
	"bad: scheduling from", "scheduling while atomic",
	"list_add corruption", "list_del corruption", "ODEBUG: ",
	"refcount_t: ", "held lock freed", "still has locks held",
	"unreferenced object", "new suspected memory leaks",
	"Bad page state", "Bad page map", "Objects remaining in",
	"unchecked MSR access error", "slab error",
};

/* Lines that match the above but are no complaint. */
static const char *const harmless[] = {
	"Spectre", "unprivileged eBPF",
};

static int is_complaint(const char *line)
{
	size_t i;

	for (i = 0; i < sizeof(harmless) / sizeof(harmless[0]); i++)
		if (strstr(line, harmless[i]))
			return 0;
	for (i = 0; i < sizeof(complaints) / sizeof(complaints[0]); i++)
		if (strstr(line, complaints[i]))
			return 1;
	return 0;
}

static void file_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	if (fd < 0)
		return;
	if (write(fd, text, strlen(text)) < 0)
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
	close(fd);
}

#define KMEMLEAK "/sys/kernel/debug/kmemleak"

/*
 * kmemleak reports an object that two scans in a row can't reach; the first
 * five seconds of an object's life don't count.
 */
static void kmemleak_scan(void)
{
	static const char *path = KMEMLEAK;
	char buf[4096];
	ssize_t n;
	int fd, log;

	if (access(path, F_OK))
		return;
	sleep(6);
	file_write(path, "scan");
	file_write(path, "scan");
	fd = open(path, O_RDONLY);
	log = open("/dev/kmsg", O_WRONLY);
	if (fd >= 0 && log >= 0) {
		FILE *f = fdopen(fd, "r");

		while (f && fgets(buf, sizeof(buf), f)) {
			n = write(log, buf, strlen(buf));
			if (n < 0)
				break;
		}
		if (f)
			fclose(f);
	}
	if (log >= 0)
		close(log);
}

/* Sends the first complaint and what follows it, if there is one. */
static int report_splat(struct agent *a)
{
	char *line = a->log, *next;
	int left = 0, found = 0;

	for (; line && *line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next = 0;
		if (is_complaint(line)) {
			if (!found)
				left = 60;
			found = 1;
		}
		if (left > 0) {
			frame(LAB_SPLAT, line, strlen(line));
			frame(LAB_SPLAT, "\n", 1);
			left--;
		}
		if (next)
			*next++ = '\n';
	}
	return found;
}

/*
 * ---- set-up ----
 */

static void mount_one(const char *what, const char *where, const char *type, const char *opts)
{
	mkdir(where, 0755);
	/* What the kernel was built without is simply not there. */
	mount(what, where, type, 0, opts);
}

static void mounts(void)
{
	mount_one("proc", "/proc", "proc", NULL);
	mount_one("sysfs", "/sys", "sysfs", NULL);
	mount_one("devtmpfs", "/dev", "devtmpfs", NULL);
	mount_one("devpts", "/dev/pts", "devpts", "ptmxmode=0666");
	mount_one("tmpfs", "/dev/shm", "tmpfs", NULL);
	mount_one("tmpfs", "/tmp", "tmpfs", NULL);
	mount_one("tmpfs", "/run", "tmpfs", NULL);
	mount_one("debugfs", "/sys/kernel/debug", "debugfs", NULL);
	mount_one("tracefs", "/sys/kernel/tracing", "tracefs", NULL);
	mount_one("cgroup2", "/sys/fs/cgroup", "cgroup2", NULL);
	mount_one("hugetlbfs", "/dev/hugepages", "hugetlbfs", NULL);
	if (symlink("/proc/self/fd", "/dev/fd") || symlink("/proc/self/fd/0", "/dev/stdin") ||
	    symlink("/proc/self/fd/1", "/dev/stdout") || symlink("/proc/self/fd/2", "/dev/stderr"))
		perror("/dev/fd");
}

static void set_string(char *dst, size_t size, const char *src)
{
	snprintf(dst, size, "%s", src);
}

static void read_config(struct agent *a)
{
	struct config *c = &a->cfg;
	FILE *f = fopen("/lab/config", "r");
	char line[1024];

	if (!f)
		fail(a, "no /lab/config in the initramfs");
	while (fgets(line, sizeof(line), f)) {
		char *val = strchr(line, '=');

		line[strcspn(line, "\n")] = 0;
		if (!val)
			continue;
		*val++ = 0;
		if (!strcmp(line, "load"))
			set_string(c->load, sizeof(c->load), val);
		else if (!strcmp(line, "args"))
			set_string(c->args, sizeof(c->args), val);
		else if (!strcmp(line, "stdin"))
			set_string(c->input, sizeof(c->input), val);
		else if (!strcmp(line, "term"))
			set_string(c->term, sizeof(c->term), val);
		else if (!strcmp(line, "out"))
			c->out_uart = !strcmp(val, "uart");
		else if (!strcmp(line, "kmemleak"))
			c->kmemleak = atoi(val);
		else if (!strcmp(line, "heartbeat"))
			c->heartbeat = atoi(val);
		else if (!strcmp(line, "rows"))
			c->winsize.ws_row = (unsigned short)atoi(val);
		else if (!strcmp(line, "cols"))
			c->winsize.ws_col = (unsigned short)atoi(val);
	}
	fclose(f);
}

/*
 * QEMU's emulator loses an interrupt now and then: VMRUN and its exit change
 * interrupt_request without a lock. What is lost stays pending in the local APIC until
 * the next interrupt arrives, and when it was the CPU's timer there may be none. The
 * clock's, each second, comes from outside, to one CPU after the other. Whoever waits
 * for it moves with it, the interrupt first: had the CPU lost the call to run this
 * process, the clock's interrupt would make it look.
 */
static void heartbeat(void)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN), cpu;
	int fd = open("/dev/rtc0", O_RDONLY | O_CLOEXEC);
	unsigned long data;
	cpu_set_t set;
	char mask[24];

	if (fd < 0 || ioctl(fd, RTC_UIE_ON, 0) < 0 || fork()) {
		/* With one CPU it need not be waited for: left open, for good. */
		return;
	}
	for (cpu = 0; ; cpu = (cpu + 1) % cpus) {
		snprintf(mask, sizeof(mask), "%lx", 1ul << cpu);
		file_write("/proc/irq/8/smp_affinity", mask);
		CPU_ZERO(&set);
		CPU_SET(cpu, &set);
		sched_setaffinity(0, sizeof(set), &set);
		if (read(fd, &data, sizeof(data)) < 0)
			sleep(1);
	}
}

static char **read_command(struct agent *a)
{
	static char buf[131072];
	static char *argv[4096];
	size_t len = 0, pos, argc = 0;
	int fd = open("/lab/command", O_RDONLY);
	ssize_t n;

	if (fd < 0)
		fail(a, "no /lab/command in the initramfs");
	while (len < sizeof(buf) - 1 && (n = read(fd, buf + len, sizeof(buf) - 1 - len)) > 0)
		len += (size_t)n;
	close(fd);
	for (pos = 0; pos < len && argc < sizeof(argv) / sizeof(argv[0]) - 1;
	     pos += strlen(buf + pos) + 1)
		argv[argc++] = buf + pos;
	if (!argc)
		fail(a, "/lab/command is empty");
	return argv;
}

static int raw_tty(const char *path)
{
	int fd = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	struct termios t;

	if (fd < 0)
		return -1;
	if (tcgetattr(fd, &t)) {
		close(fd);
		return -1;
	}
	cfmakeraw(&t);
	t.c_cflag |= CLOCAL | CREAD;
	t.c_cflag &= ~(unsigned int)CRTSCTS;
	cfsetspeed(&t, B115200);
	if (tcsetattr(fd, TCSANOW, &t)) {
		close(fd);
		return -1;
	}
	return fd;
}

/* Runs /lab/load; its words go to the log and, if it fails, to the user. */
static void load_module(struct agent *a)
{
	char text[900] = "";
	size_t len = 0;
	int p[2], status = 0;
	ssize_t n;
	pid_t pid;

	if (!a->cfg.load[0] || !strcmp(a->cfg.load, "none"))
		return;
	if (pipe(p))
		fail(a, "pipe: %s", strerror(errno));
	pid = fork();
	if (pid < 0)
		fail(a, "fork: %s", strerror(errno));
	if (!pid) {
		dup2(p[1], 1);
		dup2(p[1], 2);
		close(p[0]);
		close(p[1]);
		execl("/lab/load", "load", a->cfg.load, a->cfg.args, (char *)NULL);
		_exit(127);
	}
	close(p[1]);
	while ((n = read(p[0], text + len, sizeof(text) - 1 - len)) > 0)
		len += (size_t)n;
	close(p[0]);
	text[len] = 0;
	waitpid(pid, &status, 0);
	kmsg_read(a);
	if (status)
		fail(a, "loading %s failed: %s", a->cfg.load, text);
}

static void start(struct agent *a, char **argv)
{
	int in[2] = { -1, -1 }, out[2], err[2], master = -1;
	int pty = !strcmp(a->cfg.input, "pty");
	int channel = !strcmp(a->cfg.input, "channel");
	sigset_t none;

	if (pty) {
		a->child = forkpty(&master, NULL, NULL, &a->cfg.winsize);
	} else {
		if (pipe2(out, O_CLOEXEC) || pipe2(err, O_CLOEXEC) ||
		    (channel && pipe2(in, O_CLOEXEC)))
			fail(a, "pipe: %s", strerror(errno));
		a->child = fork();
	}
	if (a->child < 0)
		fail(a, "fork: %s", strerror(errno));
	if (!a->child) {
		if (!pty) {
			setsid();
			if (!channel)
				in[0] = open("/dev/null", O_RDONLY);
			dup2(in[0], 0);
			dup2(out[1], 1);
			dup2(err[1], 2);
		}
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		signal(SIGPIPE, SIG_DFL);
		ioperm(LAB_PORT, 1, 0);
		execvp(argv[0], argv);
		fprintf(stderr, "%s: %s\n", argv[0], strerror(errno));
		_exit(errno == ENOENT ? 127 : 126);
	}
	if (pty) {
		a->out = master;
		a->in = dup(master);
		a->err = -1;
		fcntl(master, F_SETFL, O_NONBLOCK);
	} else {
		close(out[1]);
		close(err[1]);
		a->out = out[0];
		a->err = err[0];
		fcntl(a->out, F_SETFL, O_NONBLOCK);
		fcntl(a->err, F_SETFL, O_NONBLOCK);
		if (channel) {
			close(in[0]);
			a->in = in[1];
			fcntl(a->in, F_SETFL, O_NONBLOCK);
		}
	}
}

/*
 * ---- the loop ----
 */

/* Passes what is there; returns 0 when the other end is closed. */
static int pass(int fd, char type)
{
	uint8_t buf[LAB_PAYLOAD];
	ssize_t n = read(fd, buf, sizeof(buf));

	if (n > 0) {
		frame(type, buf, (size_t)n);
		return 1;
	}
	return n < 0 && (errno == EAGAIN || errno == EINTR);
}

/* Empties a pipe whose writer may live on; bounded, should it write for ever. */
static void drain(int fd, char type)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	int i;

	if (fd < 0)
		return;
	for (i = 0; i < 65536 && poll(&p, 1, 0) > 0 && (p.revents & POLLIN); i++)
		if (!pass(fd, type))
			return;
}

static void feed(struct agent *a)
{
	ssize_t n;

	if (a->in >= 0 && a->pendlen) {
		n = write(a->in, a->pend, a->pendlen);
		if (n < 0 && errno != EAGAIN && errno != EINTR) {
			close(a->in);
			a->in = -1;
		}
		if (n < 0)
			n = 0;
		memmove(a->pend, a->pend + n, a->pendlen - (size_t)n);
		a->pendlen -= (size_t)n;
		a->taken += (uint32_t)n;
		if (n)
			frame(LAB_ACK, &a->taken, 4);
	}
	if (a->in < 0 && a->pendlen) {		/* nobody reads it any more */
		a->taken += (uint32_t)a->pendlen;
		a->pendlen = 0;
		frame(LAB_ACK, &a->taken, 4);
	}
	if (a->in >= 0 && a->eof && !a->pendlen && strcmp(a->cfg.input, "pty")) {
		close(a->in);
		a->in = -1;
	}
}

static void input_frame(struct agent *a, char type, const uint8_t *p, size_t len)
{
	if (type == LAB_WINSIZE && len == 4 && a->out >= 0) {
		struct winsize w = {
			.ws_row = (unsigned short)(p[0] | p[1] << 8),
			.ws_col = (unsigned short)(p[2] | p[3] << 8),
		};

		ioctl(a->out, TIOCSWINSZ, &w);
	} else if (type == LAB_INPUT && !len) {
		a->eof = 1;
	} else if (type == LAB_INPUT && a->pendlen + len <= sizeof(a->pend)) {
		memcpy(a->pend + a->pendlen, p, len);
		a->pendlen += len;
	}
	feed(a);
}

static void uart_read(struct agent *a)
{
	ssize_t n = read(a->uart, a->rx + a->rxlen, sizeof(a->rx) - a->rxlen);
	size_t len;

	if (n <= 0)
		return;
	a->rxlen += (size_t)n;
	while (a->rxlen >= LAB_HEADER) {
		len = a->rx[1] | (size_t)a->rx[2] << 8;
		if (len > LAB_PAYLOAD)
			fail(a, "garbled input on the second serial port");
		if (a->rxlen < LAB_HEADER + len)
			return;
		input_frame(a, (char)a->rx[0], a->rx + LAB_HEADER, len);
		a->rxlen -= LAB_HEADER + len;
		memmove(a->rx, a->rx + LAB_HEADER + len, a->rxlen);
	}
}

static int reap(struct agent *a, int *status)
{
	struct signalfd_siginfo si;
	int done = 0, st;
	pid_t pid;

	while (read(a->sigfd, &si, sizeof(si)) == sizeof(si))
		;
	while ((pid = waitpid(-1, &st, WNOHANG)) > 0) {
		if (pid == a->child) {
			*status = WIFEXITED(st) ? WEXITSTATUS(st) : 128 + WTERMSIG(st);
			done = 1;
		}
	}
	return done;
}

enum { P_SIG, P_KMSG, P_UART, P_OUT, P_ERR, P_IN, P_COUNT };

static int loop(struct agent *a)
{
	int status = 0;

	for (;;) {
		struct pollfd p[P_COUNT] = {
			[P_SIG]  = { .fd = a->sigfd, .events = POLLIN },
			[P_KMSG] = { .fd = a->kmsg,  .events = POLLIN },
			[P_UART] = { .fd = a->uart,  .events = POLLIN },
			[P_OUT]  = { .fd = a->out,   .events = POLLIN },
			[P_ERR]  = { .fd = a->err,   .events = POLLIN },
			[P_IN]   = { .fd = a->pendlen ? a->in : -1, .events = POLLOUT },
		};

		if (poll(p, P_COUNT, -1) < 0)
			continue;
		if (p[P_KMSG].revents)
			kmsg_read(a);
		if (p[P_UART].revents)
			uart_read(a);
		if (p[P_IN].revents)
			feed(a);
		if (p[P_OUT].revents && !pass(a->out, LAB_STDOUT)) {
			/* A pty says EIO while nobody has it open: not the end. */
			if (strcmp(a->cfg.input, "pty")) {
				close(a->out);
				a->out = -1;
			} else {
				poll(NULL, 0, 10);
			}
		}
		if (p[P_ERR].revents && !pass(a->err, LAB_STDERR)) {
			close(a->err);
			a->err = -1;
		}
		if (p[P_SIG].revents && reap(a, &status)) {
			drain(a->out, LAB_STDOUT);
			drain(a->err, LAB_STDERR);
			return status;
		}
	}
}

int main(void)
{
	static struct agent a = { .uart = -1, .in = -1, .out = -1, .err = -1, .kmsg = -1 };
	sigset_t chld;
	char **argv;
	uint8_t status;
	int splat;

	umask(022);
	mounts();
	if (ioperm(LAB_PORT, 1, 1)) {
		perror("lab: ioperm");
		reboot(RB_POWER_OFF);
	}
	signal(SIGPIPE, SIG_IGN);
	read_config(&a);
	if (strcmp(a.cfg.input, "null") || a.cfg.out_uart) {
		a.uart = raw_tty("/dev/ttyS1");
		if (a.uart >= 0 && a.cfg.out_uart)
			out_uart = a.uart;
	}
	channel_write(LAB_HELLO, sizeof(LAB_HELLO) - 1);

	a.kmsg = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (a.kmsg < 0)
		fail(&a, "/dev/kmsg: %s", strerror(errno));
	lseek(a.kmsg, 0, SEEK_END);

	setenv("PATH", "/bin:/sbin:/usr/bin:/usr/sbin", 1);
	setenv("HOME", "/", 1);
	setenv("TERM", a.cfg.term[0] ? a.cfg.term : "dumb", 1);
	argv = read_command(&a);
	/* A scan takes a minute here: none by itself, one where it was asked for. */
	if (a.cfg.heartbeat)
		heartbeat();
	file_write(KMEMLEAK, "scan=off");
	load_module(&a);

	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	sigprocmask(SIG_BLOCK, &chld, NULL);
	a.sigfd = signalfd(-1, &chld, SFD_NONBLOCK | SFD_CLOEXEC);
	if (a.sigfd < 0)
		fail(&a, "signalfd: %s", strerror(errno));
	if (strcmp(a.cfg.input, "null")) {
		if (a.uart < 0)
			fail(&a, "/dev/ttyS1: %s", strerror(errno));
		frame(LAB_ACK, &a.taken, 4);	/* ready for input */
	}
	start(&a, argv);
	status = (uint8_t)loop(&a);

	if (a.cfg.kmemleak)
		kmemleak_scan();
	kmsg_read(&a);
	splat = report_splat(&a);
	if (status || splat)
		send_log(&a);
	frame(LAB_EXIT, &status, 1);
	stop();
}
