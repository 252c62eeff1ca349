// SPDX-License-Identifier: GPL-2.0-only
/*
 * From a message to local APICs: destinations (SDM 11.6.2, 11.12.10), the map that
 * finds them without a search, acceptance by delivery mode, IPIs, INIT and SIPI.
 *
 * Locking: the map is read under RCU from any context and replaced under
 * irqchip.apic_map_lock (a mutex, a leaf). It is a cache: what it cannot tell is
 * found by asking every LAPIC, see lapic.h for what that reads.
 */
#include <linux/slab.h>
#include <linux/rcupdate.h>
#include "internal.h"
#include "lapic.h"
#include "trace.h"

#define XAPIC_BROADCAST		0xff
#define X2APIC_BROADCAST	0xffffffff

enum logical_format {
	LOGICAL_NONE,			/* nobody enabled yet */
	LOGICAL_FLAT,			/* xAPIC, 8 ids of a bit each */
	LOGICAL_CLUSTER,		/* xAPIC, 15 clusters of 4 */
	LOGICAL_X2APIC,			/* derived from the APIC ids */
	LOGICAL_MIXED,			/* ask everyone */
};

struct vmm_apic_map {
	struct rcu_head rcu;
	unsigned int nr_vcpus;		/* online when it was built; others are unknown to it */
	bool physical_clash;		/* two LAPICs with one id: ask everyone */
	enum logical_format format;
	struct vmm_lapic *logical[64];	/* flat: by bit; cluster: 4 * cluster + bit */
	u32 max_id;
	struct vmm_lapic *physical[];	/* by APIC id */
};

/* Most LAPICs one logical destination can name through the map. */
#define MAX_TARGETS	16

/* ---- the map ------------------------------------------------------------- */

static void map_add_logical(struct vmm_apic_map *map, struct vmm_lapic *lapic)
{
	enum logical_format format;
	u32 ldr, cluster = 0;

	if (lapic_x2apic(lapic)) {
		format = LOGICAL_X2APIC;
		ldr = 0;
	} else {
		ldr = lapic_reg(lapic, APIC_LDR) >> 24;
		if (!ldr)
			return;
		format = lapic_reg(lapic, APIC_DFR) == APIC_DFR_FLAT ? LOGICAL_FLAT :
								      LOGICAL_CLUSTER;
	}
	if (map->format == LOGICAL_NONE)
		map->format = format;
	if (map->format != format) {
		map->format = LOGICAL_MIXED;
		return;
	}
	if (format == LOGICAL_X2APIC)
		return;

	if (format == LOGICAL_CLUSTER) {
		cluster = ldr >> 4;
		ldr &= 0xf;
	}
	/* SDM 11.6.2.2 allows several bits, and sharing a bit; nobody does. */
	if (!is_power_of_2(ldr) || cluster > 14 || map->logical[cluster * 4 + __ffs(ldr)]) {
		map->format = LOGICAL_MIXED;
		return;
	}
	map->logical[cluster * 4 + __ffs(ldr)] = lapic;
}

static struct vmm_apic_map *map_build(struct vmm_vm *vm)
{
	unsigned int n = smp_load_acquire(&vm->online_vcpus), i;
	struct vmm_apic_map *map;
	u32 max_id = 255;

	for (i = 0; i < n; i++)
		if (vm->vcpus[i]->lapic)
			max_id = max_t(u32, max_id, vm->vcpus[i]->id);
	map = kvzalloc(struct_size(map, physical, max_id + 1), GFP_KERNEL_ACCOUNT);
	if (!map)
		return NULL;
	map->nr_vcpus = n;
	map->max_id = max_id;

	for (i = 0; i < n; i++) {
		struct vmm_lapic *lapic = vm->vcpus[i]->lapic;
		u32 id;

		if (!lapic || !lapic_enabled(lapic))
			continue;
		/* An id beyond xAPIC's range can be addressed whatever the mode. */
		id = lapic->vcpu->id > 255 ? lapic->vcpu->id : lapic_id(lapic);
		if (map->physical[id])
			map->physical_clash = true;
		map->physical[id] = lapic;
		if (lapic_sw_enabled(lapic))
			map_add_logical(map, lapic);
	}
	return map;
}

/* A message to more vCPUs than these is not delivered with interrupts off. */
#define MANY_VCPUS	64

/**
 * vmm_lapic_write_waits() - may a write to a LAPIC's register wait, or take long?
 * @vcpu: whose LAPIC
 * @offset: of the register in its page
 *
 * Return: true where it changes who answers to an address, speaks to many vCPUs, or ends
 * an interrupt that any number of resampling irqfds wait for.
 */
bool vmm_lapic_write_waits(struct vmm_vcpu *vcpu, u32 offset)
{
	switch (offset) {
	case APIC_ID:
	case APIC_LDR:
	case APIC_DFR:
	case APIC_SPIV:
		return true;
	case APIC_ICR:
		return READ_ONCE(vcpu->vm->online_vcpus) > MANY_VCPUS;
	case APIC_EOI:
		return !list_empty(&vcpu->vm->irqchip.resamplers);
	default:
		return false;
	}
}

/**
 * vmm_apic_map_rebuild() - a LAPIC's mode, id, LDR, DFR or enable bit changed
 * @vm: the VM; may sleep
 *
 * Without memory there is no map and every message asks all LAPICs.
 */
void vmm_apic_map_rebuild(struct vmm_vm *vm)
{
	struct vmm_irqchip *chip = &vm->irqchip;
	struct vmm_apic_map *old, *new;

	mutex_lock(&chip->apic_map_lock);
	new = map_build(vm);
	old = rcu_dereference_protected(chip->apic_map, lockdep_is_held(&chip->apic_map_lock));
	rcu_assign_pointer(chip->apic_map, new);
	mutex_unlock(&chip->apic_map_lock);
	if (old)
		kvfree_rcu(old, rcu);
	/* Whose EOIs a split IOAPIC waits for depends on who is addressed. */
	if (smp_load_acquire(&chip->mode) == VMM_IRQCHIP_SPLIT)
		vmm_request_all(vm, VMM_REQ_SCAN_IOAPIC);
}

void vmm_apic_map_free(struct vmm_vm *vm)
{
	struct vmm_apic_map *map = rcu_dereference_protected(vm->irqchip.apic_map, true);

	RCU_INIT_POINTER(vm->irqchip.apic_map, NULL);
	kvfree(map);
}

/* May the map be believed about physical ids? RCU held. */
static bool map_knows_physical(struct vmm_vm *vm, const struct vmm_apic_map *map)
{
	return map && !map->physical_clash &&
	       map->nr_vcpus == smp_load_acquire(&vm->online_vcpus);
}

/**
 * vmm_vcpu_by_apic_id() - whose LAPIC has this id now?
 * @vm: any context
 * @apic_id: the id
 *
 * Return: the vCPU; NULL: nobody with an enabled LAPIC.
 */
struct vmm_vcpu *vmm_vcpu_by_apic_id(struct vmm_vm *vm, u32 apic_id)
{
	struct vmm_lapic *found = NULL;
	struct vmm_apic_map *map;
	struct vmm_vcpu *vcpu;
	unsigned int i;

	rcu_read_lock();
	map = rcu_dereference(vm->irqchip.apic_map);
	if (map_knows_physical(vm, map)) {
		if (apic_id <= map->max_id)
			found = map->physical[array_index_nospec(apic_id, map->max_id + 1)];
		rcu_read_unlock();
		return found ? found->vcpu : NULL;
	}
	rcu_read_unlock();
	vmm_for_each_vcpu(i, vcpu, vm) {
		struct vmm_lapic *lapic = vcpu->lapic;

		if (lapic && lapic_enabled(lapic) && lapic_id(lapic) == apic_id)
			return vcpu;
	}
	return NULL;
}

/* ---- matching ------------------------------------------------------------ */

static bool match_physical(struct vmm_lapic *lapic, u32 dest)
{
	if (lapic_x2apic(lapic))
		return dest == X2APIC_BROADCAST || dest == lapic->vcpu->id;
	if (lapic->vcpu->id > 255)
		return dest == XAPIC_BROADCAST || dest == lapic->vcpu->id;
	return dest == XAPIC_BROADCAST || dest == lapic_id(lapic);
}

static bool match_logical(struct vmm_lapic *lapic, u32 dest)
{
	u32 ldr = lapic_reg(lapic, APIC_LDR);

	if (lapic_x2apic(lapic))
		return dest == X2APIC_BROADCAST ||
		       (ldr >> 16 == dest >> 16 && (ldr & dest & 0xffff));
	if (dest == XAPIC_BROADCAST)
		return true;
	ldr >>= 24;
	if (lapic_reg(lapic, APIC_DFR) == APIC_DFR_FLAT)
		return ldr & dest;
	return ldr >> 4 == dest >> 4 && (ldr & dest & 0xf);
}

/**
 * vmm_apic_match() - is a LAPIC among the destinations of a message
 * @vm: the VM
 * @target: the LAPIC
 * @source: the sender of an IPI; NULL: an IOAPIC or an MSI
 * @msg: the message
 *
 * Any context.
 *
 * Return: true when it is.
 */
bool vmm_apic_match(struct vmm_vm *vm, struct vmm_lapic *target, struct vmm_lapic *source,
		    const struct vmm_irq_msg *msg)
{
	u32 dest = msg->dest;

	switch (msg->shorthand) {
	case APIC_DEST_SELF:
		return target == source;
	case APIC_DEST_ALLINC:
		return true;
	case APIC_DEST_ALLBUT:
		return target != source;
	}
	/* A device's 8-bit broadcast reaches x2APICs too, unless told otherwise. */
	if (!source && dest == XAPIC_BROADCAST && lapic_x2apic(target) &&
	    !vm->irqchip.disable_broadcast_quirk)
		dest = X2APIC_BROADCAST;
	return msg->logical ? match_logical(target, dest) : match_physical(target, dest);
}

/* ---- acceptance ---------------------------------------------------------- */

/**
 * vmm_apic_accept() - a message has reached a LAPIC
 * @lapic: the LAPIC, not hardware-disabled
 * @msg: vector, mode, trigger
 *
 * Any context.
 *
 * Return: 1 when it had an effect (a fixed interrupt also when IRR had it already),
 * 0 when the LAPIC ignores it.
 */
int vmm_apic_accept(struct vmm_lapic *lapic, const struct vmm_irq_msg *msg)
{
	struct vmm_vcpu *vcpu = lapic->vcpu;

	trace_vmm_apic_accept_irq(vcpu->id, msg->mode >> 8, msg->vector, msg->level);
	switch (msg->mode) {
	case APIC_DM_FIXED:
	case APIC_DM_LOWEST:
		if (!lapic_sw_enabled(lapic))
			return 0;
		if (msg->vector < 16)
			lapic_error(lapic, APIC_ESR_RECVILL);
		else
			vmm_lapic_set_irq(vcpu, msg->vector, msg->level);
		return 1;
	case APIC_DM_NMI:
		vmm_inject_nmi(vcpu);
		vmm_vcpu_kick(vcpu);
		return 1;
	case APIC_DM_INIT:
		/* SDM 11.6.1: a level de-assert only synchronises arbitration ids. */
		if (msg->level && !msg->assert)
			return 0;
		/* A SIPI that waits is lost: the INIT would reset it. */
		WRITE_ONCE(lapic->events, BIT(LAPIC_EVENT_INIT));
		break;
	case APIC_DM_STARTUP:
		WRITE_ONCE(vcpu->sipi_vector, msg->vector);
		smp_wmb();	/* pairs with vmm_lapic_accept_events() */
		set_bit(LAPIC_EVENT_SIPI, &lapic->events);
		break;
	default:
		/* SMI: no SMM here. ExtINT comes from the PIC itself. Remote read is gone. */
		return 0;
	}
	vmm_make_request(vcpu, VMM_REQ_EVENT);
	vmm_vcpu_kick(vcpu);
	return 1;
}

/**
 * vmm_lapic_accept_events() - act on INIT and SIPI
 * @vcpu: the vCPU, on its thread
 *
 * INIT resets; a SIPI starts a vCPU that waits for it and is dropped otherwise
 * (SDM 9.4.4.1, 11.4.7).
 */
void vmm_lapic_accept_events(struct vmm_vcpu *vcpu)
{
	struct vmm_lapic *lapic = vcpu->lapic;

	if (!lapic || !READ_ONCE(lapic->events))
		return;
	if (test_and_clear_bit(LAPIC_EVENT_INIT, &lapic->events)) {
		vmm_vcpu_reset(vcpu, true);
		vcpu->mp_state = vcpu->id == vcpu->vm->bsp_vcpu_id ? KVM_MP_STATE_RUNNABLE :
								     KVM_MP_STATE_INIT_RECEIVED;
	}
	if (test_and_clear_bit(LAPIC_EVENT_SIPI, &lapic->events) &&
	    vcpu->mp_state == KVM_MP_STATE_INIT_RECEIVED) {
		smp_rmb();	/* pairs with vmm_apic_accept() */
		vmm_vcpu_sipi(vcpu, READ_ONCE(vcpu->sipi_vector));
		vcpu->mp_state = KVM_MP_STATE_RUNNABLE;
	}
}

bool vmm_lapic_events_pending(struct vmm_vcpu *vcpu)
{
	return vcpu->lapic && READ_ONCE(vcpu->lapic->events);
}

/**
 * vmm_lapic_post_sipi() - a SIPI with vcpu->sipi_vector waits (KVM_SET_MP_STATE)
 * @vcpu: the vCPU, on its thread
 */
void vmm_lapic_post_sipi(struct vmm_vcpu *vcpu)
{
	if (!vcpu->lapic)
		return;
	set_bit(LAPIC_EVENT_SIPI, &vcpu->lapic->events);
	vmm_make_request(vcpu, VMM_REQ_EVENT);
}

/* ---- delivery ------------------------------------------------------------ */

/*
 * The destinations by the map: their number (targets may hold NULLs, which count
 * for nothing), or -1 when everyone must be asked.
 */
static int map_lookup(struct vmm_vm *vm, const struct vmm_irq_msg *msg,
		      struct vmm_lapic *targets[MAX_TARGETS])
{
	struct vmm_apic_map *map = rcu_dereference(vm->irqchip.apic_map);
	u32 dest = msg->dest, first, bits;
	struct vmm_lapic *lapic;
	int n = 0;

	if (!map || msg->shorthand || dest == XAPIC_BROADCAST || dest == X2APIC_BROADCAST ||
	    map->nr_vcpus != smp_load_acquire(&vm->online_vcpus))
		return -1;

	if (!msg->logical) {
		if (map->physical_clash)
			return -1;
		if (dest > map->max_id)
			return 0;
		targets[0] = map->physical[array_index_nospec(dest, map->max_id + 1)];
		return targets[0] ? 1 : 0;
	}

	/* Logical entries hold software-enabled LAPICs only; others take INIT, SIPI, NMI. */
	if (msg->mode != APIC_DM_FIXED && msg->mode != APIC_DM_LOWEST)
		return -1;
	switch (map->format) {
	case LOGICAL_FLAT:
		for (bits = dest & 0xff; bits; bits &= bits - 1) {
			lapic = map->logical[__ffs(bits)];
			if (lapic)
				targets[n++] = lapic;
		}
		return n;
	case LOGICAL_CLUSTER:
		first = array_index_nospec(((dest >> 4) & 0xf) * 4, 64);
		for (bits = dest & 0xf; bits; bits &= bits - 1) {
			lapic = map->logical[first + __ffs(bits)];
			if (lapic)
				targets[n++] = lapic;
		}
		return n;
	case LOGICAL_X2APIC:
		first = (dest >> 16) << 4;
		for (bits = dest & 0xffff; bits; bits &= bits - 1) {
			u32 id = first + __ffs(bits);

			if (id > map->max_id)
				break;
			lapic = map->physical[array_index_nospec(id, map->max_id + 1)];
			if (lapic && lapic_sw_enabled(lapic))
				targets[n++] = lapic;
		}
		return n;
	default:
		return -1;
	}
}

/* Of @n candidates the one that gets a lowest-priority interrupt: spread by vector. */
static unsigned int lowest_choice(const struct vmm_irq_msg *msg, unsigned int n)
{
	return msg->vector % n;
}

static int deliver_to_all(struct vmm_vm *vm, struct vmm_lapic *source,
			  const struct vmm_irq_msg *msg, bool lowest)
{
	bool everyone = msg->shorthand || msg->dest == XAPIC_BROADCAST ||
			msg->dest == X2APIC_BROADCAST;
	struct vmm_lapic *lapic;
	struct vmm_vcpu *vcpu;
	unsigned int i, candidates = 0, choice;
	/* As through the map, where an id that nobody has is not an error. */
	int ret = everyone ? -1 : 0;

	vmm_for_each_vcpu(i, vcpu, vm) {
		lapic = vcpu->lapic;
		if (!lapic || !lapic_enabled(lapic) || !vmm_apic_match(vm, lapic, source, msg))
			continue;
		if (lowest)
			candidates += lapic_sw_enabled(lapic);
		else
			ret = max(ret, 0) + vmm_apic_accept(lapic, msg);
	}
	if (!lowest || !candidates)
		return ret;

	choice = lowest_choice(msg, candidates);
	vmm_for_each_vcpu(i, vcpu, vm) {
		lapic = vcpu->lapic;
		if (!lapic || !lapic_enabled(lapic) || !lapic_sw_enabled(lapic) ||
		    !vmm_apic_match(vm, lapic, source, msg))
			continue;
		/* They may have become fewer since they were counted: keep the last. */
		ret = vmm_apic_accept(lapic, msg);
		if (!choice--)
			break;
	}
	return ret;
}

/**
 * vmm_apic_deliver() - send a message to the LAPICs it names
 * @vm: the VM
 * @source: sender of an IPI, or NULL
 * @msg: the message
 *
 * Any context.
 *
 * Return: the number of LAPICs that accepted it; -1 for a broadcast that reached none.
 */
int vmm_apic_deliver(struct vmm_vm *vm, struct vmm_lapic *source, const struct vmm_irq_msg *msg)
{
	bool lowest = msg->mode == APIC_DM_LOWEST || (msg->lowest && msg->mode == APIC_DM_FIXED);
	struct vmm_lapic *targets[MAX_TARGETS];
	int n, i, ret = 0;

	if (msg->shorthand == APIC_DEST_SELF)
		return source ? vmm_apic_accept(source, msg) : -1;

	rcu_read_lock();
	n = map_lookup(vm, msg, targets);
	if (n < 0)
		ret = deliver_to_all(vm, source, msg, lowest);
	else if (lowest && n)
		ret = vmm_apic_accept(targets[lowest_choice(msg, n)], msg);
	else
		for (i = 0; i < n; i++)
			ret += vmm_apic_accept(targets[i], msg);
	rcu_read_unlock();
	return ret;
}

/**
 * lapic_send_ipi() - the guest wrote ICR (SDM 11.6.1)
 * @lapic: the sender, on its vCPU's thread
 * @icr: bits 31:0
 * @dest: destination field, 8 bits in xAPIC and 32 in x2APIC mode
 */
void lapic_send_ipi(struct vmm_lapic *lapic, u32 icr, u32 dest)
{
	struct vmm_irq_msg msg = {
		.dest = dest,
		.mode = icr & APIC_DM_FIXED_MASK,
		.shorthand = icr & APIC_DEST_ALLBUT,
		.vector = icr & APIC_VECTOR_MASK,
		.logical = icr & APIC_DEST_LOGICAL,
		.level = icr & APIC_INT_LEVELTRIG,
		.assert = icr & APIC_INT_ASSERT,
	};

	if (msg.vector < 16 && (msg.mode == APIC_DM_FIXED || msg.mode == APIC_DM_LOWEST)) {
		lapic_error(lapic, APIC_ESR_SENDILL);
		return;
	}
	vmm_apic_deliver(lapic->vcpu->vm, lapic, &msg);
}

/**
 * vmm_apic_interrupt() - a fixed, edge-triggered interrupt from the module itself
 * @vcpu: any context
 * @vector: its vector
 *
 * Return: the LAPIC is there, is enabled, and took it.
 */
bool vmm_apic_interrupt(struct vmm_vcpu *vcpu, u8 vector)
{
	const struct vmm_irq_msg msg = { .mode = APIC_DM_FIXED, .vector = vector };

	return vcpu->lapic && lapic_enabled(vcpu->lapic) && vmm_apic_accept(vcpu->lapic, &msg);
}

/**
 * vmm_apic_send_bitmap() - an IPI to any LAPICs of a range of ids (KVM_HC_SEND_IPI)
 * @vm: any context
 * @bitmap: two words of @width bits: who of the ids from @first on
 * @width: 32 or 64
 * @first: APIC id of bit 0
 * @icr: ICR bits 31:0; destination mode and shorthand are 0
 *
 * Return: the number of LAPICs that accepted it; -EINVAL for a destination in @icr;
 * -EOPNOTSUPP without LAPICs here.
 */
int vmm_apic_send_bitmap(struct vmm_vm *vm, const u64 bitmap[2], unsigned int width, u32 first,
			 u32 icr)
{
	struct vmm_irq_msg msg = {
		.mode = icr & APIC_DM_FIXED_MASK,
		.vector = icr & APIC_VECTOR_MASK,
		.level = icr & APIC_INT_LEVELTRIG,
		.assert = icr & APIC_INT_ASSERT,
	};
	int i, bit, count = 0;

	if (icr & (APIC_DEST_LOGICAL | APIC_DEST_ALLBUT))
		return -EINVAL;
	if (!vmm_irqchip_in_module(&vm->irqchip))
		return -EOPNOTSUPP;
	for (i = 0; i < 2; i++) {
		u64 left = bitmap[i];

		for (; left; left &= left - 1) {
			struct vmm_vcpu *vcpu;

			bit = __ffs64(left);
			vcpu = vmm_vcpu_by_apic_id(vm, first + i * width + bit);
			if (vcpu)
				count += vmm_apic_accept(vcpu->lapic, &msg);
		}
	}
	return count;
}
