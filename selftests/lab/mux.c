// SPDX-License-Identifier: GPL-2.0-only
/*
 * Runs an emulator whose guest is a lab host (agent.c), and is to the user
 * as if COMMAND ran here: output on the descriptors it was written to, exit
 * status, input, terminal, signals.
 *
 *   mux --dir RUN --emulator qemu|bochs|bochs-term --timeout S [--input null|channel|pty]
 *       [--allow-splat] [--keep] -- EMULATOR ARG...
 *
 * RUN is the run's own folder and the emulator's working directory.  It is
 * removed at the end unless the host failed; RUN/log is the log.  In ARGs,
 * @in@ and @out@ become the numbers of the descriptors of the channels.
 * With Bochs, RUN/com1 is a fifo (console), RUN/com2 the name of a pty.
 * bochs-term is a Bochs that wants a terminal for a screen.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "proto.h"

#define HOST_FAILED	125
#define TIMED_OUT	124
#define LOG_TAIL	40		/* lines shown when something fails */
#define PANIC_GRACE_MS	1500		/* time for a dying host to say why */

struct mux {
	const char *dir;
	int bochs, bochs_term, keep, allow_splat;
	const char *input;
	long timeout;
	pid_t pid;
	int sigfd;
	int console;		/* what the machine's console prints */
	int chan_in, chan_out;
	int screen;		/* bochs-term's terminal, -1: none */
	FILE *log;
	/* frames being put together */
	uint8_t rx[LAB_HEADER + LAB_PAYLOAD];
	size_t rxlen;
	int hello;
	/* input: bytes sent, bytes the host has taken */
	uint32_t sent, acked;
	int ready, eof;
	/* console line being put together, to look for the end of the host */
	char line[512];
	size_t linelen;
	long long deadline, grace;
	int splat;
	int status;		/* -1: still running */
	char fail[2048];
	size_t faillen;
};

static struct termios saved_tty;
static int tty_is_raw;

static long long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

static void restore_tty(void)
{
	if (tty_is_raw)
		tcsetattr(0, TCSADRAIN, &saved_tty);
	tty_is_raw = 0;
}

/*
 * Raw only once the host takes input: until then Ctrl-C must end the run, from
 * then on it is the command's.
 */
static void raw_tty(void)
{
	struct termios raw;

	if (tcgetattr(0, &saved_tty))
		return;
	raw = saved_tty;
	cfmakeraw(&raw);
	tty_is_raw = 1;
	tcsetattr(0, TCSADRAIN, &raw);
}

static void __attribute__((noreturn, format(printf, 1, 2))) die(const char *fmt, ...)
{
	va_list ap;

	restore_tty();
	va_start(ap, fmt);
	fputs("lab: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	exit(HOST_FAILED);
}

static void write_all(int fd, const void *buf, size_t len)
{
	const uint8_t *p = buf;

	while (len) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EAGAIN) {
			struct pollfd w = { .fd = fd, .events = POLLOUT };

			poll(&w, 1, 1000);
			continue;
		}
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return;		/* the reader has gone: as for any program in a pipe */
		p += n;
		len -= (size_t)n;
	}
}

static void finish(struct mux *m, int status, const char *why)
{
	if (m->status >= 0)
		return;
	m->status = status;
	if (why && !m->faillen)
		m->faillen = (size_t)snprintf(m->fail, sizeof(m->fail), "%s", why);
}

/*
 * ---- what the host says ----
 */

static void one_frame(struct mux *m, char type, const uint8_t *p, size_t len)
{
	switch (type) {
	case LAB_STDOUT:
		write_all(1, p, len);
		break;
	case LAB_STDERR:
		write_all(2, p, len);
		break;
	case LAB_SPLAT:
		m->splat = 1;
		/* fall through */
	case LAB_LOG:
		fwrite(p, 1, len, m->log);
		break;
	case LAB_FAIL:
		m->faillen = (size_t)snprintf(m->fail, sizeof(m->fail), "%.*s", (int)len,
					      (const char *)p);
		fprintf(m->log, "%s\n", m->fail);
		finish(m, HOST_FAILED, NULL);
		break;
	case LAB_ACK:
		if (len == 4)
			m->acked = p[0] | p[1] << 8 | p[2] << 16 | (uint32_t)p[3] << 24;
		if (!m->ready && !strcmp(m->input, "pty"))
			raw_tty();
		m->ready = 1;
		break;
	case LAB_EXIT:
		if (m->splat && !m->allow_splat)
			finish(m, HOST_FAILED, "the host's kernel complains");
		else
			finish(m, len ? p[0] : HOST_FAILED, NULL);
		break;
	default:
		finish(m, HOST_FAILED, "garbled output from the host");
	}
}

/* Drops what precedes the hello; 1 when it has been seen. */
static int skip_to_hello(struct mux *m)
{
	size_t n = sizeof(LAB_HELLO) - 1, keep;
	uint8_t *p = memmem(m->rx, m->rxlen, LAB_HELLO, n);

	if (p) {
		fwrite(m->rx, 1, (size_t)(p - m->rx), m->log);
		m->rxlen -= (size_t)(p - m->rx) + n;
		memmove(m->rx, p + n, m->rxlen);
		m->hello = 1;
		return 1;
	}
	keep = m->rxlen < n ? m->rxlen : n;
	fwrite(m->rx, 1, m->rxlen - keep, m->log);
	memmove(m->rx, m->rx + m->rxlen - keep, keep);
	m->rxlen = keep;
	return 0;
}

static void channel_read(struct mux *m)
{
	ssize_t n = read(m->chan_out, m->rx + m->rxlen, sizeof(m->rx) - m->rxlen);
	size_t pos = 0, len;

	if (n <= 0) {
		if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
			close(m->chan_out);
			m->chan_out = -1;
		}
		return;
	}
	m->rxlen += (size_t)n;
	if (!m->hello && !skip_to_hello(m))
		return;
	while (m->status < 0 && m->rxlen - pos >= LAB_HEADER) {
		len = m->rx[pos + 1] | (size_t)m->rx[pos + 2] << 8;
		if (m->rx[pos] == (uint8_t)LAB_HELLO[0]) {
			finish(m, HOST_FAILED, "the host has started anew");
			return;
		}
		if (len > LAB_PAYLOAD) {
			finish(m, HOST_FAILED, "garbled output from the host");
			return;
		}
		if (m->rxlen - pos < LAB_HEADER + len)
			break;
		one_frame(m, (char)m->rx[pos], m->rx + pos + LAB_HEADER, len);
		pos += LAB_HEADER + len;
	}
	m->rxlen -= pos;
	memmove(m->rx, m->rx + pos, m->rxlen);
}

/* A panicked host says so and then does nothing useful for ever. */
static void console_line(struct mux *m)
{
	m->line[m->linelen] = 0;
	m->linelen = 0;
	if (strstr(m->line, "Kernel panic - not syncing") && !m->grace) {
		m->grace = now_ms() + PANIC_GRACE_MS;
		m->faillen = (size_t)snprintf(m->fail, sizeof(m->fail), "the host panicked");
	}
}

static void console_read(struct mux *m)
{
	char buf[4096];
	ssize_t i, n = read(m->console, buf, sizeof(buf));

	if (n <= 0) {
		if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
			close(m->console);
			m->console = -1;
		}
		return;
	}
	fwrite(buf, 1, (size_t)n, m->log);
	for (i = 0; i < n; i++) {
		if (buf[i] == '\n' || m->linelen == sizeof(m->line) - 1)
			console_line(m);
		else if (buf[i])
			m->line[m->linelen++] = buf[i];
	}
}

/*
 * ---- input ----
 */

static void send_winsize(struct mux *m)
{
	uint8_t f[LAB_HEADER + 4];
	struct winsize w;

	if (!m->ready || ioctl(0, TIOCGWINSZ, &w))
		return;
	lab_header(f, LAB_WINSIZE, 4);
	f[3] = (uint8_t)w.ws_row;
	f[4] = (uint8_t)(w.ws_row >> 8);
	f[5] = (uint8_t)w.ws_col;
	f[6] = (uint8_t)(w.ws_col >> 8);
	write_all(m->chan_in, f, sizeof(f));
}

static int may_send(const struct mux *m)
{
	return m->ready && !m->eof && m->sent - m->acked < LAB_WINDOW;
}

static void input_read(struct mux *m)
{
	uint8_t f[LAB_HEADER + LAB_WINDOW];
	size_t room = LAB_WINDOW - (m->sent - m->acked);
	ssize_t n = read(0, f + LAB_HEADER, room);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0)
		n = 0;
	if (n == 0)
		m->eof = 1;
	lab_header(f, LAB_INPUT, (unsigned int)n);
	write_all(m->chan_in, f, LAB_HEADER + (size_t)n);
	m->sent += (uint32_t)n;
}

/*
 * ---- the emulator ----
 */

static char *expand(const char *arg, const char *key, int fd)
{
	const char *p = strstr(arg, key);
	char *s;

	if (!p)
		return strdup(arg);
	if (asprintf(&s, "%.*s%d%s", (int)(p - arg), arg, fd, p + strlen(key)) < 0)
		die("out of memory");
	return s;
}

static int bochs_pty(void)
{
	struct termios t;
	char name[128];
	int master, slave;

	if (openpty(&master, &slave, name, NULL, NULL))
		die("openpty: %s", strerror(errno));
	tcgetattr(slave, &t);
	cfmakeraw(&t);
	tcsetattr(slave, TCSANOW, &t);
	/* The slave stays open, or the master would say EIO until Bochs opens it. */
	if (symlink(name, "com2"))
		die("com2: %s", strerror(errno));
	return master;
}

static void start(struct mux *m, char **argv)
{
	int in[2], out[2], con[2], slave_in = -1, slave_out = -1, i;
	sigset_t none;

	if (pipe2(con, O_CLOEXEC))
		die("pipe: %s", strerror(errno));
	if (m->bochs) {
		m->chan_in = bochs_pty();
		if (mkfifo("com1", 0600))
			die("com1: %s", strerror(errno));
		/* Read and write, so that opening never waits for the other side. */
		m->console = open("com1", O_RDWR | O_NONBLOCK | O_CLOEXEC);
		if (m->console < 0)
			die("com1: %s", strerror(errno));
		m->chan_out = m->bochs_term ? m->chan_in : con[0];
	} else {
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, in) ||
		    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, out))
			die("socketpair: %s", strerror(errno));
		m->chan_in = in[0];
		m->chan_out = out[0];
		slave_in = in[1];
		slave_out = out[1];
		m->console = con[0];
	}
	m->pid = m->bochs_term ? forkpty(&m->screen, NULL, NULL, NULL) : fork();
	if (m->pid < 0)
		die("fork: %s", strerror(errno));
	if (!m->pid) {
		int null = open("/dev/null", O_RDWR);

		/* Whatever ends this program ends the emulator, SIGKILL too. */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		/* The terminal's Ctrl-C is ours to handle. */
		if (!m->bochs_term)
			setpgid(0, 0);
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		if (!m->bochs_term) {
			dup2(null, 0);
			dup2(con[1], 1);
		}
		dup2(m->bochs ? fileno(m->log) : con[1], 2);
		if (slave_in >= 0) {
			fcntl(slave_in, F_SETFD, 0);
			fcntl(slave_out, F_SETFD, 0);
		}
		for (i = 0; argv[i]; i++)
			argv[i] = expand(expand(argv[i], "@in@", slave_in), "@out@", slave_out);
		execvp(argv[0], argv);
		fprintf(stderr, "%s: %s\n", argv[0], strerror(errno));
		_exit(127);
	}
	close(con[1]);
	if (slave_in >= 0) {
		close(slave_in);
		close(slave_out);
	}
}

static void signals(struct mux *m)
{
	struct signalfd_siginfo si;
	int st;

	while (read(m->sigfd, &si, sizeof(si)) == sizeof(si)) {
		switch (si.ssi_signo) {
		case SIGWINCH:
			if (tty_is_raw)
				send_winsize(m);
			break;
		case SIGCHLD:
			if (waitpid(m->pid, &st, WNOHANG) != m->pid)
				break;
			m->pid = 0;
			/* What it wrote last is still to be read: wait for it. */
			m->grace = now_ms() + 200;
			if (!m->faillen)
				m->faillen = (size_t)snprintf(m->fail, sizeof(m->fail),
					WIFSIGNALED(st) ? "the emulator was killed by signal %d" :
					"the host went down before COMMAND ended (emulator status %d)",
					WIFSIGNALED(st) ? WTERMSIG(st) : WEXITSTATUS(st));
			break;
		default:
			finish(m, 128 + (int)si.ssi_signo, NULL);
		}
	}
}

/* What an emulator paints on its screen is of no use to anyone. */
static void screen_read(struct mux *m)
{
	char buf[4096];
	ssize_t n = read(m->screen, buf, sizeof(buf));

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
		close(m->screen);
		m->screen = -1;
	}
}

static void loop(struct mux *m)
{
	enum { P_SIG, P_OUT, P_CON, P_STDIN, P_SCREEN, P_COUNT };

	while (m->status < 0) {
		long long now = now_ms(), until = m->deadline;
		struct pollfd p[P_COUNT] = {
			[P_SIG]   = { .fd = m->sigfd,    .events = POLLIN },
			[P_OUT]   = { .fd = m->chan_out, .events = POLLIN },
			[P_CON]   = { .fd = m->console,  .events = POLLIN },
			[P_STDIN] = { .fd = may_send(m) ? 0 : -1, .events = POLLIN },
			[P_SCREEN] = { .fd = m->screen,  .events = POLLIN },
		};

		if (m->grace && m->grace < until)
			until = m->grace;
		if (now >= until) {
			if (m->grace)
				finish(m, HOST_FAILED, "the host failed");
			else
				finish(m, TIMED_OUT, "time limit reached");
			return;
		}
		if (until - now > 60000)
			until = now + 60000;
		if (poll(p, P_COUNT, (int)(until - now)) < 0)
			continue;
		if (p[P_CON].revents)
			console_read(m);
		if (p[P_OUT].revents)
			channel_read(m);
		if (p[P_STDIN].revents)
			input_read(m);
		if (p[P_SCREEN].revents)
			screen_read(m);
		if (p[P_SIG].revents)
			signals(m);
	}
}

/*
 * ---- the end ----
 */

static void kill_emulator(struct mux *m)
{
	if (m->pid <= 0)
		return;
	kill(-m->pid, SIGKILL);
	kill(m->pid, SIGKILL);
	waitpid(m->pid, NULL, 0);
}

/* Lines that only push the telling ones out of the tail. */
static int is_noise(const char *line)
{
	return strstr(line, "]  ? ") || strstr(line, "TCG doesn't support requested feature");
}

static void show_log(struct mux *m)
{
	char path[4096], line[1024];
	long lines = 0, skip;
	FILE *f;

	if (!realpath("log", path))
		return;
	fprintf(stderr, "lab: %s; the log: %s\n", m->fail, path);
	f = fopen("log", "r");
	if (!f)
		return;
	while (fgets(line, sizeof(line), f))
		lines += !is_noise(line);
	rewind(f);
	skip = lines - LOG_TAIL;
	while (fgets(line, sizeof(line), f))
		if (!is_noise(line) && skip-- <= 0) {
			line[strcspn(line, "\r\n")] = 0;
			fprintf(stderr, "lab| %s\n", line);
		}
	fclose(f);
}

/* Removes the run's folder; with a log to keep, all of it but the log. */
static void clean(struct mux *m, int keep_log)
{
	struct dirent *e;
	DIR *d = opendir(".");

	while (d && (e = readdir(d)))
		if (e->d_name[0] != '.' && !(keep_log && !strcmp(e->d_name, "log")))
			unlink(e->d_name);
	if (d)
		closedir(d);
	if (!keep_log)
		rmdir(m->dir);
}

int main(int argc, char **argv)
{
	static const struct option opts[] = {
		{ "dir", required_argument, NULL, 'd' },
		{ "emulator", required_argument, NULL, 'e' },
		{ "timeout", required_argument, NULL, 't' },
		{ "input", required_argument, NULL, 'i' },
		{ "allow-splat", no_argument, NULL, 's' },
		{ "keep", no_argument, NULL, 'k' },
		{ NULL, 0, NULL, 0 }
	};
	static struct mux m = { .status = -1, .screen = -1, .input = "null", .timeout = 600 };
	sigset_t set;
	int c, failed;

	while ((c = getopt_long(argc, argv, "+", opts, NULL)) != -1) {
		switch (c) {
		case 'd':
			m.dir = optarg;
			break;
		case 'e':
			m.bochs_term = !strcmp(optarg, "bochs-term");
			m.bochs = m.bochs_term || !strcmp(optarg, "bochs");
			break;
		case 't':
			m.timeout = atol(optarg);
			break;
		case 'i':
			m.input = optarg;
			break;
		case 's':
			m.allow_splat = 1;
			break;
		case 'k':
			m.keep = 1;
			break;
		default:
			return HOST_FAILED;
		}
	}
	if (!m.dir || !argv[optind])
		die("mux: --dir and an emulator are needed");
	m.dir = realpath(m.dir, NULL);
	if (!m.dir || chdir(m.dir))
		die("run folder: %s", strerror(errno));
	m.log = fopen("log", "ae");
	if (!m.log)
		die("log: %s", strerror(errno));
	setvbuf(m.log, NULL, _IONBF, 0);

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGQUIT);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGWINCH);
	signal(SIGPIPE, SIG_IGN);
	for (c = 1; c < 32; c++)	/* a shell starts background jobs with SIGINT ignored */
		if (sigismember(&set, c) == 1)
			signal(c, SIG_DFL);
	sigprocmask(SIG_BLOCK, &set, NULL);
	m.sigfd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (m.sigfd < 0)
		die("signalfd: %s", strerror(errno));

	/* No limit means a year: no sum here overflows. */
	m.deadline = now_ms() + (m.timeout > 0 ? m.timeout : 366 * 86400L) * 1000;
	start(&m, argv + optind);
	if (!strcmp(m.input, "null"))
		m.eof = 1;
	loop(&m);
	restore_tty();
	kill_emulator(&m);
	while (m.console >= 0 && poll(&(struct pollfd){ .fd = m.console, .events = POLLIN }, 1, 0) > 0) {
		int before = m.console;

		console_read(&m);
		if (m.console != before || m.bochs)
			break;
	}

	failed = m.faillen > 0;
	if (failed)
		show_log(&m);
	fclose(m.log);
	clean(&m, failed || m.keep);
	return m.status;
}
