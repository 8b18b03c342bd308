/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Fibers. On x86-64 a switch pushes the six registers that a call must preserve, exchanges stack
 * pointers, pops, and jumps: there is no system call and no signal mask. Elsewhere it is
 * swapcontext(3), correct and some fifty times slower.
 *
 * It jumps to where it was called from instead of returning: the processor predicts returns by the
 * calls it saw, and after a switch that prediction is always wrong; the jump has few targets.
 *
 * Both sanitizers are told of every switch. For ThreadSanitizer each fiber is a thread, and a switch
 * orders nothing: so a race is reported if the two accesses are not ordered by the library's own
 * operations, although they ran on one thread, in one order.
 *
 * Source: the layout of the saved registers is the System V ABI's, section 3.2.1. Rejected: threads
 * that hand on a token. A switch would be a futex wake and a sleep, 5 us, a thousand times as slow.
 */
#include "explore/fiber.h"

#include <pthread.h>
#include <stdint.h>
#include <sys/mman.h>

#define STACK ((size_t)64 << 10)
#define PAGE 4096

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef EXPLORE_TSAN
#include <sanitizer/tsan_interface.h>
#define NO_ORDER 1u /* __tsan_switch_to_fiber_no_sync */
#endif

void fiber_adopt(struct fiber *fiber)
{
	pthread_attr_t attributes;
	void *stack = NULL;
	size_t size = 0;
	if (pthread_getattr_np(pthread_self(), &attributes) == 0) {
		pthread_attr_getstack(&attributes, &stack, &size);
		pthread_attr_destroy(&attributes);
	}
	*fiber = (struct fiber){.stack = stack, .size = size};
#ifdef EXPLORE_TSAN
	fiber->shadow = __tsan_get_current_fiber();
#endif
}

bool fiber_new(struct fiber *fiber)
{
	char *memory = mmap(NULL, PAGE + STACK, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (memory == MAP_FAILED || mprotect(memory, PAGE, PROT_NONE) != 0)
		return false;
	*fiber = (struct fiber){.stack = memory + PAGE, .size = STACK};
#ifdef EXPLORE_TSAN
	fiber->shadow = __tsan_create_fiber(0);
#endif
	return true;
}

#if defined(__x86_64__)

/* rdi: where to leave the stack pointer; rsi: the one to go on with. */
void fiber_jump(void **from, void *to);

__asm__(".text\n"
	".p2align 4\n"
	".globl fiber_jump\n"
	".hidden fiber_jump\n"
	".type fiber_jump, @function\n"
	"fiber_jump:\n"
	"	pushq %rbp\n"
	"	pushq %rbx\n"
	"	pushq %r12\n"
	"	pushq %r13\n"
	"	pushq %r14\n"
	"	pushq %r15\n"
	"	movq %rsp, (%rdi)\n"
	"	movq %rsi, %rsp\n"
	"	popq %r15\n"
	"	popq %r14\n"
	"	popq %r13\n"
	"	popq %r12\n"
	"	popq %rbx\n"
	"	popq %rbp\n"
	"	popq %rcx\n"
	"	jmp *%rcx\n"
	".size fiber_jump, . - fiber_jump\n");

static void prepare(struct fiber *fiber, void (*entry)(void))
{
	/* Top down: a return address nobody uses, which aligns entry's frame; entry; six registers. */
	uintptr_t *top = (uintptr_t *)(void *)(fiber->stack + fiber->size) - 8;
	for (int i = 0; i < 8; i++)
		top[i] = 0;
	top[6] = (uintptr_t)entry;
	fiber->stack_pointer = top;
}

static void jump(struct fiber *from, struct fiber *to)
{
	fiber_jump(&from->stack_pointer, to->stack_pointer);
}

#else

static void prepare(struct fiber *fiber, void (*entry)(void))
{
	getcontext(&fiber->context);
	fiber->context.uc_stack.ss_sp = fiber->stack;
	fiber->context.uc_stack.ss_size = fiber->size;
	fiber->context.uc_link = NULL;
	makecontext(&fiber->context, entry, 0);
}

static void jump(struct fiber *from, struct fiber *to)
{
	swapcontext(&from->context, &to->context);
}

#endif

void fiber_start(struct fiber *fiber, void (*entry)(void))
{
#if defined(__SANITIZE_ADDRESS__)
	ASAN_UNPOISON_MEMORY_REGION(fiber->stack, fiber->size);
#endif
	prepare(fiber, entry);
}

void fiber_entered(void)
{
#if defined(__SANITIZE_ADDRESS__)
	__sanitizer_finish_switch_fiber(NULL, NULL, NULL);
#endif
}

void fiber_switch(struct fiber *from, struct fiber *to)
{
#if defined(__SANITIZE_ADDRESS__)
	__sanitizer_start_switch_fiber(&from->fake, to->stack, to->size);
#endif
#ifdef EXPLORE_TSAN
	__tsan_switch_to_fiber(to->shadow, NO_ORDER);
#endif
	jump(from, to);
#if defined(__SANITIZE_ADDRESS__)
	__sanitizer_finish_switch_fiber(from->fake, NULL, NULL);
#endif
}

void fiber_before(void *address)
{
#ifdef EXPLORE_TSAN
	__tsan_release(address);
#endif
	(void)address;
}

void fiber_after(void *address)
{
#ifdef EXPLORE_TSAN
	__tsan_acquire(address);
#endif
	(void)address;
}
