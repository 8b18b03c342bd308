/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * A victim's death: the thread that dies writes down where, its registers and its stack, and asks every other thread for its stack.
 * Then it dies of the same instruction again, without a handler.
 *
 * All of it happens in signal handlers of a process that is lost anyway: what they may not call is called before (backtrace loads
 * its unwinder at the first call), and a second thread that dies meanwhile waits to be ended by the first.
 */
#include "lab/victim.h"

#include <errno.h>
#include <execinfo.h>
#include <link.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#define STACKS_NS 100000000

static struct lab_record *record;

static void note_register(const char *name, uint64_t value)
{
	uint32_t at = record->death.register_count;

	if (at == LAB_REGISTERS)
		return;
	(void)strncpy(record->death.registers[at].name, name,
		      sizeof record->death.registers[at].name - 1);
	record->death.registers[at].value = value;
	record->death.register_count = at + 1;
}

/* Where the processor was. */
static uint64_t pc_of(const ucontext_t *context)
{
#if defined(__x86_64__)
	return (uint64_t)context->uc_mcontext.gregs[REG_RIP];
#elif defined(__aarch64__)
	return context->uc_mcontext.pc;
#else
	(void)context;
	return 0;
#endif
}

static void note_registers(const ucontext_t *context)
{
#if defined(__x86_64__)
	static const struct {
		const char *name;
		int at;
	} names[] = {{"rax", REG_RAX}, {"rbx", REG_RBX}, {"rcx", REG_RCX}, {"rdx", REG_RDX},
		     {"rsi", REG_RSI}, {"rdi", REG_RDI}, {"rbp", REG_RBP}, {"rsp", REG_RSP},
		     {"r8", REG_R8},   {"r9", REG_R9},   {"r10", REG_R10}, {"r11", REG_R11},
		     {"r12", REG_R12}, {"r13", REG_R13}, {"r14", REG_R14}, {"r15", REG_R15}};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		note_register(names[i].name, (uint64_t)context->uc_mcontext.gregs[names[i].at]);
#elif defined(__aarch64__)
	char name[8];
	for (int i = 0; i < 31; i++) {
		(void)snprintf(name, sizeof name, "x%d", i);
		note_register(name, context->uc_mcontext.regs[i]);
	}
	note_register("sp", context->uc_mcontext.sp);
#else
	(void)context;
#endif
}

/* The calling thread's stack from where the signal met it. */
static void note_stack(uint64_t pc)
{
	void *frames[LAB_FRAMES + 8];
	int n = backtrace(frames, LAB_FRAMES + 8);
	struct lab_thread *thread = &record->threads[lab_thread_number];
	int first = 0;

	while (first < n && (uint64_t)(uintptr_t)frames[first] != pc)
		first++;
	if (first == n)
		first = n > 2 ? 2 : 0;
	thread->stack.depth = 0;
	for (int i = first; i < n && thread->stack.depth < LAB_FRAMES; i++)
		thread->stack.pc[thread->stack.depth++] = (uint64_t)(uintptr_t)frames[i];
	atomic_store(&thread->stacked, 1);
}

static void asked(int signal, siginfo_t *info, void *context)
{
	int saved = errno;

	(void)signal;
	(void)info;
	note_stack(pc_of(context));
	errno = saved;
}

static void ask_others(void)
{
	uint64_t until = lab_now_ns() + STACKS_NS;

	for (unsigned i = 0; i < LAB_THREADS; i++) {
		struct lab_thread *thread = &record->threads[i];
		pid_t id = (pid_t)atomic_load(&thread->kernel_id);
		if (i == lab_thread_number || id == 0 ||
		    syscall(SYS_tgkill, getpid(), id, SIGUSR2) != 0)
			continue;
		while (atomic_load(&thread->stacked) == 0 && lab_now_ns() < until)
			(void)sched_yield();
	}
}

static void dies(int signal, siginfo_t *info, void *context)
{
	static _Atomic unsigned dying;

	if (atomic_exchange(&dying, 1) != 0) {
		for (;;) /* another thread is: it ends this one too */
			(void)pause();
	}
	record->death.signal = signal;
	record->death.code = info->si_code;
	record->death.address = info->si_code > 0 ? (uint64_t)(uintptr_t)info->si_addr : 0;
	record->death.thread = lab_thread_number;
	record->death.pc = pc_of(context);
	note_registers(context);
	atomic_store(&record->death.ready, 1);
	note_stack(record->death.pc);
	ask_others();
	(void)sigaction(signal, &(struct sigaction){.sa_handler = SIG_DFL}, NULL);
	if (info->si_code <= 0) /* it was sent, and would not come again by itself */
		(void)raise(signal);
}

static int note_module(struct dl_phdr_info *info, size_t size, void *context)
{
	(void)size;
	(void)context;
	if (record->module_count == LAB_MODULES)
		return 1;
	struct lab_module *module = &record->modules[record->module_count++];
	module->bias = info->dlpi_addr;
	module->start = UINT64_MAX;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *part = &info->dlpi_phdr[i];
		if (part->p_type != PT_LOAD)
			continue;
		uint64_t start = info->dlpi_addr + part->p_vaddr;
		module->start = start < module->start ? start : module->start;
		module->end = start + part->p_memsz > module->end ? start + part->p_memsz
								  : module->end;
	}
	if (info->dlpi_name[0] != '\0')
		(void)snprintf(module->path, sizeof module->path, "%s", info->dlpi_name);
	else
		(void)!readlink("/proc/self/exe", module->path, sizeof module->path - 1);
	return 0;
}

void lab_watch_for_death(struct lab_record *of)
{
	static const int deadly[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP};
	struct sigaction action = {.sa_sigaction = dies, .sa_flags = SA_SIGINFO};
	void *frames[1];

	record = of;
	(void)dl_iterate_phdr(note_module, NULL);
	(void)backtrace(frames, 1); /* loads what the unwinder needs, which no handler may do */
	for (size_t i = 0; i < sizeof deadly / sizeof *deadly; i++)
		(void)sigaction(deadly[i], &action, NULL);
	action = (struct sigaction){.sa_sigaction = asked, .sa_flags = SA_SIGINFO | SA_RESTART};
	(void)sigaction(SIGUSR2, &action, NULL);
}
