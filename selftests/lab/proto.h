/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The protocol between a lab host's init (agent.c) and the program that runs
 * the emulator (mux.c).
 *
 * From host to machine the bytes go out one by one through an I/O port which
 * the emulator copies to a pipe: nothing on that way paces, drops or changes
 * a byte, as a UART and a tty would.  From machine to host they arrive on the
 * second UART.  (Debian's Bochs can't pass the port on: there the second UART
 * serves both ways, at its pace.)  The agent opens the conversation with LAB_HELLO; whatever
 * the emulator itself prints before it is not part of it.  After it there
 * are only frames: type, length (little endian), payload.
 */
#ifndef LAB_PROTO_H
#define LAB_PROTO_H

#include <stdint.h>

/* The port of Bochs' "port e9 hack" and of QEMU's isa-debugcon. */
#define LAB_PORT	0xe9

#define LAB_HELLO	"\001lab-agent-1\002"

/* Host to machine. */
#define LAB_STDOUT	'O'	/* bytes of COMMAND's standard output */
#define LAB_STDERR	'E'	/* bytes of COMMAND's standard error */
#define LAB_LOG		'L'	/* text for the log */
#define LAB_FAIL	'F'	/* text: why the host can't do what it was asked; final */
#define LAB_EXIT	'X'	/* one byte: COMMAND's exit status; final */
#define LAB_SPLAT	'S'	/* text: a complaint found in the kernel log */
#define LAB_ACK		'A'	/* four bytes: how much input has been taken so far */

/* Machine to host. */
#define LAB_INPUT	'I'	/* bytes of standard input; none: end of file */
#define LAB_WINSIZE	'W'	/* four bytes: rows, columns */

#define LAB_HEADER	3
#define LAB_PAYLOAD	4096

/*
 * Input bytes that may be on the way unacknowledged: the agent's tty holds
 * 4095 and a UART has no way to say stop.
 */
#define LAB_WINDOW	2048

static inline void lab_header(uint8_t *p, char type, unsigned int len)
{
	p[0] = (uint8_t)type;
	p[1] = (uint8_t)len;
	p[2] = (uint8_t)(len >> 8);
}

#endif
