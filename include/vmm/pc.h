/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The machine: a PC without PCI. Interrupt controllers and PIT are in the
 * kernel; here are the other devices and where they sit.
 */
#ifndef VMM_PC_H
#define VMM_PC_H

#include <stdbool.h>
#include <stdint.h>
#include <vmm/bus.h>
#include <vmm/console.h>
#include <vmm/loop.h>
#include <vmm/memory.h>
#include <vmm/vm.h>

#define VMM_PC_KBD_STATUS	0x64
#define VMM_PC_CMOS		0x70
#define VMM_PC_RTC_IRQ		8
#define VMM_PC_DEBUG_EXIT	0xf4	/* default of --debug-exit, as test kernels expect */
#define VMM_PC_COM1		0x3f8
#define VMM_PC_COM1_IRQ		4
#define VMM_PC_PVPANIC		0x505
#define VMM_PC_PM1_EVT		0x600
#define VMM_PC_PM1_CNT		0x604
#define VMM_PC_PM_TMR		0x608
#define VMM_PC_SCI		9
#define VMM_PC_SLP_TYP_S5	5
#define VMM_PC_PCI_CONFIG	0xcf8
#define VMM_PC_RESET		0xcf9
#define VMM_PC_RESET_VALUE	0x06
#define VMM_PC_ERST_REGS	0xfeb00000ULL
#define VMM_PC_ERST_RANGE	0xfeb01000ULL

/* Error-record registers and actions (ACPI 6.4 table 18.17). */
#define VMM_ERST_ACTION		0x0
#define VMM_ERST_VALUE		0x8
#define VMM_ERST_REGS_SIZE	0x10
#define VMM_ERST_RANGE_SIZE	0x4000

enum vmm_erst_action {
	VMM_ERST_BEGIN_WRITE,
	VMM_ERST_BEGIN_READ,
	VMM_ERST_BEGIN_CLEAR,
	VMM_ERST_END,
	VMM_ERST_SET_RECORD_OFFSET,
	VMM_ERST_EXECUTE,
	VMM_ERST_CHECK_BUSY,
	VMM_ERST_GET_STATUS,
	VMM_ERST_GET_RECORD_ID,
	VMM_ERST_SET_RECORD_ID,
	VMM_ERST_GET_RECORD_COUNT,
	VMM_ERST_BEGIN_DUMMY_WRITE,
	VMM_ERST_GET_RANGE = 0xd,
	VMM_ERST_GET_RANGE_LENGTH,
	VMM_ERST_GET_RANGE_ATTRIBUTES,
	VMM_ERST_GET_TIMINGS,
};

/*
 * 16550A UART.
 */
struct vmm_uart;

/**
 * vmm_uart_create() - make a UART
 * @irq: its interrupt line
 * @output: called with bytes the guest sent, from vCPU threads and the loop,
 *	one call at a time; may block
 * @opaque: given to @output
 *
 * Return: a UART or NULL.
 */
struct vmm_uart *vmm_uart_create(const struct vmm_irq *irq,
				 void (*output)(void *opaque, const uint8_t *data, size_t len),
				 void *opaque);
void vmm_uart_destroy(struct vmm_uart *uart);

/* Its eight registers, at @base. */
int vmm_uart_attach(struct vmm_uart *uart, struct vmm_bus *pio, uint16_t base);

/**
 * vmm_uart_listen() - let the loop flush partial lines and tell of room for input
 * @uart: UART
 * @loop: event loop
 * @room: called in the loop when vmm_uart_input() took less than it was given
 *	and the guest has made room since
 * @opaque: given to @room
 *
 * Without this, output goes out byte by byte.
 * Return: 0 or a negative errno.
 */
int vmm_uart_listen(struct vmm_uart *uart, struct vmm_loop *loop, void (*room)(void *opaque),
		    void *opaque);

/**
 * vmm_uart_input() - give the guest input
 *
 * Return: how many of the @len bytes at @data it took, none while nobody in
 * the guest listens.
 */
size_t vmm_uart_input(struct vmm_uart *uart, const uint8_t *data, size_t len);

/* Send what is buffered; at the end, after the vCPUs stopped. */
void vmm_uart_flush(struct vmm_uart *uart);

/*
 * CMOS memory and real-time clock (MC146818).
 */
struct vmm_cmos;

/**
 * vmm_cmos_create() - make an RTC that tells host time in UTC
 * @irq: its interrupt line
 * @ram_low: bytes of RAM from 0
 * @ram_high: bytes of RAM from 4 GiB
 *
 * Return: a device or NULL.
 */
struct vmm_cmos *vmm_cmos_create(const struct vmm_irq *irq, uint64_t ram_low, uint64_t ram_high);
void vmm_cmos_destroy(struct vmm_cmos *cmos);
int vmm_cmos_attach(struct vmm_cmos *cmos, struct vmm_bus *pio);

/* Update and alarm interrupts come from the loop. Return: 0 or a negative errno. */
int vmm_cmos_listen(struct vmm_cmos *cmos, struct vmm_loop *loop);

/*
 * ACPI power management: PM1 event and control, PM timer.
 */
struct vmm_acpipm;

/* @irq is the SCI. Power-off ends @vm. */
struct vmm_acpipm *vmm_acpipm_create(struct vmm_vm *vm, const struct vmm_irq *irq);
void vmm_acpipm_destroy(struct vmm_acpipm *pm);
int vmm_acpipm_attach(struct vmm_acpipm *pm, struct vmm_bus *pio);
int vmm_acpipm_listen(struct vmm_acpipm *pm, struct vmm_loop *loop);

/*
 * Error record serialization: where a panicking kernel leaves its log.
 */
struct vmm_erst;

/**
 * vmm_erst_create() - make the device
 * @range: VMM_ERST_RANGE_SIZE bytes of guest memory, the exchange buffer
 * @range_gpa: its guest-physical address
 * @panicked: called once, when the guest's kernel has recorded its panic, with
 *	its message; from a vCPU thread
 * @opaque: given to @panicked
 */
struct vmm_erst *vmm_erst_create(void *range, uint64_t range_gpa,
				 void (*panicked)(void *opaque, const char *message),
				 void *opaque);
void vmm_erst_destroy(struct vmm_erst *erst);
int vmm_erst_attach(struct vmm_erst *erst, struct vmm_bus *mmio, uint64_t base);

/**
 * struct vmm_pc_config - the machine wanted
 * @debug_exit: port of isa-debug-exit, 0 for none
 * @console: what the serial port is wired to
 */
struct vmm_pc_config {
	uint16_t debug_exit;
	struct vmm_console *console;
};

struct vmm_pc;

/**
 * vmm_pc_create() - build all devices onto a VM's address spaces
 * @vm: VM with memory (not yet registered) and a loop
 * @config: what is wanted
 *
 * Return: the machine or NULL.
 */
struct vmm_pc *vmm_pc_create(struct vmm_vm *vm, const struct vmm_pc_config *config);

/* Free the devices; the vCPUs must have stopped. Sends what output is buffered. */
void vmm_pc_destroy(struct vmm_pc *pc);

#endif
