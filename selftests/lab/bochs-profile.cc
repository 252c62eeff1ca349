// SPDX-License-Identifier: GPL-2.0-only
/*
 * A profile of what a host in Bochs executes, for selftests/bench/where: which
 * instruction ran how often, between SIGUSR1 and SIGUSR2. bochs-build appends this to
 * the stubs of Bochs' instrumentation.
 *
 * LAB_PROFILE in the environment is the name of the file that the profile goes to, a
 * line an instruction: address, count, opcode; before it, "exits N".
 * The emulator's process ID is in the file of that name with ".pid" added.
 */
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <unordered_map>

#include "cpu/cpu.h"

struct executed {
	Bit64u count;
	const char *opcode;
};

static std::unordered_map<Bit64u, executed> profile;
static Bit64u exits;
static volatile sig_atomic_t recording, finished;

static void start_or_stop(int sig)
{
	recording = sig == SIGUSR1;
	finished = sig == SIGUSR2;
}

static void write_profile(void)
{
	std::string name = getenv("LAB_PROFILE"), tmp = name + ".new";
	FILE *f = fopen(tmp.c_str(), "w");

	if (!f)
		return;
	fprintf(f, "exits %llu\n", (unsigned long long)exits);
	for (const auto &entry : profile)
		fprintf(f, "%llx %llu %s\n", (unsigned long long)entry.first,
			(unsigned long long)entry.second.count, entry.second.opcode);
	fclose(f);
	rename(tmp.c_str(), name.c_str());
}

void bx_instr_init_env(void)
{
	const char *name = getenv("LAB_PROFILE");
	FILE *f;

	if (!name)
		return;
	signal(SIGUSR1, start_or_stop);
	signal(SIGUSR2, start_or_stop);
	f = fopen((std::string(name) + ".pid").c_str(), "w");
	if (f) {
		fprintf(f, "%d\n", (int)getpid());
		fclose(f);
	}
}

static void count(Bit64u rip, bxInstruction_c *i)
{
	executed &e = profile[rip];

	e.count++;
	if (e.count == 1)
		e.opcode = get_bx_opcode_name(i->getIaOpcode());
}

void bx_instr_before_execution(unsigned cpu, bxInstruction_c *i)
{
	if (recording)
		count(BX_CPU(cpu)->get_rip(), i);
	if (finished) {
		finished = 0;
		write_profile();
	}
}

/* An iteration is an instruction to the host's clock. */
void bx_instr_repeat_iteration(unsigned cpu, bxInstruction_c *i)
{
	if (recording)
		count(BX_CPU(cpu)->get_rip() - i->ilen(), i);
}

void bx_instr_vmexit(unsigned cpu, Bit32u reason, Bit64u qualification)
{
	exits += recording;
}
