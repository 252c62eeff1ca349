// SPDX-License-Identifier: GPL-2.0-only
/*
 * Port I/O: to a device in the module by the bus, else to user space through the page
 * behind kvm_run. String instructions come from the emulator, the others straight from
 * their exit.
 */
#include "vmm.h"
#include "emulate.h"

/* ---- ports --------------------------------------------------------------------------- */

/**
 * vmm_fill_pio_exit() - show user space a port access: kvm_run; the data is in the page after it
 * @vcpu: vCPU thread
 * @port: port
 * @size: bytes of one item: 1, 2 or 4
 * @count: items
 * @in: from the device
 */
void vmm_fill_pio_exit(struct vmm_vcpu *vcpu, u16 port, u8 size, u32 count, bool in)
{
	struct kvm_run *run = vcpu->run;

	run->exit_reason = KVM_EXIT_IO;
	run->io.direction = in ? KVM_EXIT_IO_IN : KVM_EXIT_IO_OUT;
	run->io.size = size;
	run->io.data_offset = KVM_PIO_PAGE_OFFSET * PAGE_SIZE;
	run->io.count = count;
	run->io.port = port;
}

enum emul_status vmm_emulate_in(struct emul *e, u16 port, unsigned int size, unsigned int count,
				void *buf)
{
	struct vmm_emulation *em = to_em(e);
	struct vmm_vcpu *vcpu = em->vcpu;
	unsigned int i;

	new_iteration(em);
	if (em->pio_in_valid) {
		if (em->pio.port != port || em->pio.size != size || em->pio.count != count)
			return EMUL_RETRY;	/* not the execution that asked */
		memcpy(buf, vcpu->pio_data, size * count);
		return EMUL_OK;
	}
	vcpu->stats.io_exits++;
	em->pio.port = port;
	em->pio.size = size;
	em->pio.count = count;
	memset(vcpu->pio_data, 0, size * count);
	for (i = 0; i < count; i++) {
		if (vmm_bus_read(vcpu, VMM_BUS_PIO, port, size, vcpu->pio_data + i * size)) {
			if (!i)
				break;
			/* the device went away between two items */
			memset(vcpu->pio_data + i * size, 0xff, size);
		}
	}
	if (i == count) {
		em->pio_in_valid = true;
		memcpy(buf, vcpu->pio_data, size * count);
		return EMUL_OK;
	}
	em->need = NEED_PIO_IN;
	vmm_fill_pio_exit(vcpu, port, size, count, true);
	return EMUL_IO_NEEDED;
}

enum emul_status vmm_emulate_out(struct emul *e, u16 port, unsigned int size, unsigned int count,
				 const void *buf)
{
	struct vmm_emulation *em = to_em(e);
	struct vmm_vcpu *vcpu = em->vcpu;
	unsigned int i;

	vcpu->stats.io_exits++;
	for (i = 0; i < count; i++)
		if (vmm_bus_write(vcpu, VMM_BUS_PIO, port, size, buf + i * size))
			break;
	if (i == count)
		return EMUL_OK;
	/* All of it, or what is left: a ring of coalesced writes fills up on the way. */
	memcpy(vcpu->pio_data, buf + i * size, size * (count - i));
	em->pio.port = port;
	em->pio.size = size;
	em->pio.count = count - i;
	em->pio_out = true;
	e->stop = true;
	return EMUL_OK;
}

/* ---- IN and OUT whose operands the exit has given -------------------------------------------- */

static void load_accumulator(struct vmm_vcpu *vcpu, u32 value, u8 size)
{
	u64 rax = value;

	/* EAX is written as a 32-bit register is; AL and AX leave the rest alone. */
	if (size < 4)
		rax = (vmm_reg(vcpu, VMM_RAX) & ~GENMASK_ULL(size * 8 - 1, 0)) |
		      (value & GENMASK(size * 8 - 1, 0));
	vmm_set_reg(vcpu, VMM_RAX, rax);
}

static int complete_in(struct vmm_vcpu *vcpu)
{
	u32 value;

	memcpy(&value, vcpu->pio_data, sizeof(value));
	load_accumulator(vcpu, value, vcpu->emulation->pio.size);
	return vmm_skip_instruction(vcpu);
}

/* No device here answered: user space's. @value is what it is to see. */
static noinline int pio_to_user(struct vmm_vcpu *vcpu, u16 port, u8 size, u32 value, bool in)
{
	vcpu->stats.io_exits++;
	memcpy(vcpu->pio_data, &value, sizeof(value));
	vcpu->emulation->pio.size = size;
	/*
	 * RIP moves on when user space comes back. Old firmware writes port 7EH and expects
	 * RIP to have moved already (KVM_X86_QUIRK_OUT_7E_INC_RIP).
	 */
	if (!in && port == 0x7e &&
	    !(vcpu->vm->disabled_quirks & KVM_X86_QUIRK_OUT_7E_INC_RIP)) {
		int r = vmm_skip_instruction(vcpu);

		if (r <= 0)
			return r;
	} else {
		vmm_complete_with(vcpu, in ? complete_in : vmm_skip_instruction);
	}
	vmm_fill_pio_exit(vcpu, port, size, 1, in);
	return 0;
}

/**
 * vmm_pio() - IN or OUT, not a string instruction
 * @vcpu: vCPU thread, SRCU held, RIP at the instruction
 * @port: port
 * @size: 1, 2 or 4 bytes
 * @in: IN
 *
 * Return: as an exit handler; with interrupts off as vmm_handle_quickly().
 */
int vmm_pio(struct vmm_vcpu *vcpu, u16 port, u8 size, bool in)
{
	u32 value = in ? 0 : vmm_reg(vcpu, VMM_RAX) & GENMASK(size * 8 - 1, 0);
	int r = in ? vmm_bus_read(vcpu, VMM_BUS_PIO, port, size, &value)
		   : vmm_bus_write(vcpu, VMM_BUS_PIO, port, size, &value);

	if (r)
		return r == -EAGAIN ? VMM_NOT_NOW : pio_to_user(vcpu, port, size, value, in);
	vcpu->stats.io_exits++;
	if (in)
		load_accumulator(vcpu, value, size);
	return vmm_skip_instruction(vcpu);
}

/**
 * vmm_pio_quickly() - IN or OUT with interrupts off
 * @vcpu: its thread, SRCU not held, RIP at the instruction, its length in vcpu->exit
 *
 * Return: as vmm_handle_quickly(): string instructions, and ports whose device may wait
 * or take long, are the handler's.
 */
int vmm_pio_quickly(struct vmm_vcpu *vcpu)
{
	const struct vmm_exit *e = &vcpu->exit;
	struct srcu_struct *srcu = &vcpu->vm->srcu;
	int idx, r;

	/* Any number of resampling irqfds may wait for an interrupt that ends at the PIC. */
	if (e->io.string || !list_empty(&vcpu->vm->irqchip.resamplers))
		return VMM_NOT_NOW;
	idx = srcu_read_lock(srcu);
	r = vmm_pio(vcpu, e->io.port, e->io.size, e->io.in);
	srcu_read_unlock(srcu, idx);
	return r;
}
