// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The machine put together, and the devices too small for a file: keyboard
 * controller reset, port 0xcf9, PCI configuration ports of a machine without
 * PCI, delay ports, pvpanic and isa-debug-exit.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>
#include <vmm/error.h>
#include <vmm/pc.h>

#define KBD_PULSE_RESET		0xfe	/* 8042 command: pulse output bit 0, the reset line */
#define CF9_RESET		0x04
#define PVPANIC_PANICKED	0x01
#define PVPANIC_CRASH_LOADED	0x02
#define PVPANIC_SHUTDOWN	0x04
#define PVPANIC_EVENTS		(PVPANIC_PANICKED | PVPANIC_CRASH_LOADED | PVPANIC_SHUTDOWN)

/*
 * A guest that has said that it panicked gets so long to print and to reset,
 * then the VM ends. Short of panic=N with a large N, it resets by itself.
 */
#define PANIC_GRACE_SECONDS	1

struct vmm_pc {
	struct vmm_vm *vm;
	struct vmm_console *console;
	struct vmm_uart *uart;
	struct vmm_cmos *cmos;
	struct vmm_acpipm *pm;
	struct vmm_erst *erst;
	uint8_t reset_control;
	int panic_fd;		/* timerfd: the grace after a panic */
	bool panicked;
	char panic_message[256];
};

static void reset(struct vmm_pc *pc)
{
	/* After a panic a reset is its end, not a reboot. */
	if (__atomic_load_n(&pc->panicked, __ATOMIC_ACQUIRE))
		vmm_vm_end(pc->vm, VMM_END_CRASH, 0, "%s", pc->panic_message);
	else
		vmm_vm_end(pc->vm, VMM_END_RESET, 0, NULL);
}

static void panicked(void *opaque, const char *message)
{
	struct itimerspec t = { .it_value.tv_sec = PANIC_GRACE_SECONDS };
	struct vmm_pc *pc = opaque;

	/* Two devices can tell of it, from two vCPUs: the first one's words stay. */
	pthread_mutex_lock(&pc->vm->end_lock);
	if (!pc->panicked) {
		strncpy(pc->panic_message, message, sizeof(pc->panic_message) - 1);
		__atomic_store_n(&pc->panicked, true, __ATOMIC_RELEASE);
		timerfd_settime(pc->panic_fd, 0, &t, NULL);
	}
	pthread_mutex_unlock(&pc->vm->end_lock);
}

static void panic_ready(void *opaque, uint32_t events)
{
	struct vmm_pc *pc = opaque;
	uint64_t n;

	(void)events;
	if (read(pc->panic_fd, &n, sizeof(n)) == sizeof(n))
		reset(pc);
}

static uint64_t kbd_read(void *opaque, uint64_t off, unsigned int size)
{
	(void)opaque;
	(void)off;
	(void)size;
	/* Never busy, never data: whoever waits before the reset command goes on. */
	return 0;
}

static void kbd_write(void *opaque, uint64_t off, unsigned int size, uint64_t value)
{
	(void)off;
	(void)size;
	if (value == KBD_PULSE_RESET)
		reset(opaque);
}

/*
 * 0xcf8 to 0xcff. There is no PCI bus: the configuration mechanism reads as
 * ones, and a probe that writes the address register reads back something
 * else. The reset control register sits in the middle.
 */
static uint64_t pci_read(void *opaque, uint64_t off, unsigned int size)
{
	struct vmm_pc *pc = opaque;

	if (off == VMM_PC_RESET - VMM_PC_PCI_CONFIG && size == 1)
		return pc->reset_control;
	return ~0ULL;
}

static void pci_write(void *opaque, uint64_t off, unsigned int size, uint64_t value)
{
	struct vmm_pc *pc = opaque;

	if (off != VMM_PC_RESET - VMM_PC_PCI_CONFIG || size != 1)
		return;
	pc->reset_control = value & ~CF9_RESET;
	if (value & CF9_RESET)
		reset(pc);
}

static uint64_t pvpanic_read(void *opaque, uint64_t off, unsigned int size)
{
	(void)opaque;
	(void)off;
	(void)size;
	return PVPANIC_EVENTS;
}

static void pvpanic_write(void *opaque, uint64_t off, unsigned int size, uint64_t value)
{
	struct vmm_pc *pc = opaque;

	(void)off;
	(void)size;
	if (value & PVPANIC_PANICKED)
		panicked(pc, "the guest's kernel panicked");
	else if (value & PVPANIC_SHUTDOWN)
		vmm_vm_end(pc->vm, VMM_END_POWEROFF, 0, NULL);
	/* PVPANIC_CRASH_LOADED: a crash kernel takes over; the guest goes on. */
}

static void debug_exit_write(void *opaque, uint64_t off, unsigned int size, uint64_t value)
{
	struct vmm_pc *pc = opaque;

	(void)off;
	(void)size;
	vmm_vm_end(pc->vm, VMM_END_DEBUG_EXIT, ((value << 1) | 1) & 0xff, NULL);
}

static int attach_small(struct vmm_pc *pc, uint16_t debug_exit)
{
	struct vmm_range ranges[] = {
		{ .base = VMM_PC_KBD_STATUS, .len = 1, .name = "8042", .flags = VMM_RANGE_BYTES,
		  .read = kbd_read, .write = kbd_write },
		/* Written for delay: found at once, dropped at once. */
		{ .base = 0x80, .len = 1, .name = "delay port" },
		{ .base = 0xed, .len = 1, .name = "delay port" },
		{ .base = VMM_PC_PVPANIC, .len = 1, .name = "pvpanic", .flags = VMM_RANGE_BYTES,
		  .read = pvpanic_read, .write = pvpanic_write },
		{ .base = VMM_PC_PCI_CONFIG, .len = 8, .name = "PCI configuration",
		  .read = pci_read, .write = pci_write },
		{ .base = debug_exit, .len = 4, .name = "debug exit", .write = debug_exit_write },
	};
	size_t i, n = sizeof(ranges) / sizeof(ranges[0]) - (debug_exit ? 0 : 1);

	for (i = 0; i < n; i++) {
		int err;

		ranges[i].opaque = pc;
		err = vmm_bus_add(&pc->vm->pio, &ranges[i]);
		if (err)
			return err;
	}
	return 0;
}

static int panic_listen(struct vmm_pc *pc)
{
	pc->panic_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (pc->panic_fd < 0)
		return vmm_fail(errno, "cannot make a timer: %s", strerror(errno));
	return vmm_loop_add(pc->vm->loop, pc->panic_fd, EPOLLIN, panic_ready, pc);
}

static int connect(struct vmm_pc *pc, const struct vmm_pc_config *config)
{
	struct vmm_vm *vm = pc->vm;
	int err = panic_listen(pc);

	if (!err)
		err = vmm_uart_attach(pc->uart, &vm->pio, VMM_PC_COM1);
	if (!err)
		err = vmm_cmos_attach(pc->cmos, &vm->pio);
	if (!err)
		err = vmm_cmos_listen(pc->cmos, vm->loop);
	if (!err)
		err = vmm_acpipm_attach(pc->pm, &vm->pio);
	if (!err)
		err = vmm_acpipm_listen(pc->pm, vm->loop);
	if (!err)
		err = vmm_erst_attach(pc->erst, &vm->mmio, VMM_PC_ERST_REGS);
	if (!err)
		err = attach_small(pc, config->debug_exit);
	if (!err)
		err = vmm_console_connect(pc->console, pc->uart);
	return err;
}

struct vmm_pc *vmm_pc_create(struct vmm_vm *vm, const struct vmm_pc_config *config)
{
	struct vmm_irq com1 = { vmm_vm_irq, vm, VMM_PC_COM1_IRQ };
	struct vmm_irq rtc = { vmm_vm_irq, vm, VMM_PC_RTC_IRQ };
	struct vmm_irq sci = { vmm_vm_irq, vm, VMM_PC_SCI };
	void *range = vmm_memory_add(&vm->mem, VMM_PC_ERST_RANGE, VMM_ERST_RANGE_SIZE);
	struct vmm_pc *pc;

	if (!range)
		return NULL;
	pc = calloc(1, sizeof(*pc));
	if (!pc) {
		vmm_fail(ENOMEM, "no memory for the machine");
		return NULL;
	}
	pc->vm = vm;
	pc->console = config->console;
	pc->panic_fd = -1;
	pc->uart = vmm_uart_create(&com1, vmm_console_output, config->console);
	pc->cmos = vmm_cmos_create(&rtc, vm->mem.ram_low, vm->mem.ram_high);
	pc->pm = vmm_acpipm_create(vm, &sci);
	pc->erst = vmm_erst_create(range, VMM_PC_ERST_RANGE, panicked, pc);
	if (!pc->uart || !pc->cmos || !pc->pm || !pc->erst || connect(pc, config)) {
		vmm_pc_destroy(pc);
		return NULL;
	}
	return pc;
}

void vmm_pc_destroy(struct vmm_pc *pc)
{
	if (!pc)
		return;
	vmm_console_disconnect(pc->console);
	vmm_uart_destroy(pc->uart);
	vmm_cmos_destroy(pc->cmos);
	vmm_acpipm_destroy(pc->pm);
	vmm_erst_destroy(pc->erst);
	if (pc->panic_fd >= 0) {
		vmm_loop_del(pc->vm->loop, pc->panic_fd);
		close(pc->panic_fd);
	}
	free(pc);
}
