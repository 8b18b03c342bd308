/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/* The one place where memory comes from: sizes, zeroing, errno; and a heap's count of its bytes. */
#include "base/alloc.h"

#include "sync/heap.h"
#include "suite.h"

#define ERRNO 1234

static void plain(void **state)
{
	(void)state;
	for (size_t size = 0; size < 5000; size += 1 + size / 3) {
		unsigned char *bytes = calm__alloc(&calm__malloc, size);
		unsigned char *zeros = calm__alloc_zero(&calm__malloc, size);
		assert_true(bytes != NULL && zeros != NULL && bytes != zeros);
		assert_int_equal((uintptr_t)bytes % _Alignof(max_align_t), 0);
		assert_int_equal((uintptr_t)zeros % _Alignof(max_align_t), 0);
		memset(bytes, 0xff, size);
		for (size_t i = 0; i < size; i++)
			assert_int_equal(zeros[i], 0);
		calm__free(&calm__malloc, bytes);
		calm__free(&calm__malloc, zeros);
	}
	calm__free(&calm__malloc, NULL);
}

/*
 * The user's allocator gives dirty memory (suite_alloc sees to that), and sets errno when it has
 * none.
 */
static void the_users_own(void **state)
{
	struct suite_heap heap;
	(void)state;
	suite_heap_init(&heap);
	for (size_t size = 0; size < 5000; size += 1 + size / 3) {
		unsigned char *zeros = calm__alloc_zero(&heap.allocator, size);
		assert_non_null(zeros);
		assert_int_equal(heap.bytes, size > 0 ? size : 1);
		for (size_t i = 0; i < size; i++)
			assert_int_equal(zeros[i], 0);
		calm__free(&heap.allocator, zeros);
	}
	uint64_t calls = heap.calls;
	calm__free(&heap.allocator, NULL);
	assert_int_equal(heap.calls, calls);
	assert_int_equal(heap.blocks, 0);
	suite_heap_fail(&heap, 1, true);
	errno = ERRNO;
	assert_null(calm__alloc(&heap.allocator, 8));
	assert_null(calm__alloc_zero(&heap.allocator, 8));
	assert_int_equal(errno, ERRNO);
	assert_int_equal(heap.failed, 2);
}

static void free_and_set_errno(void *pointer, void *context)
{
	free(pointer);
	errno = EINVAL;
	++*(unsigned *)context;
}

static void *alloc_and_set_errno(size_t size, void *context)
{
	(void)context;
	errno = EAGAIN;
	return malloc(size);
}

static void errno_survives_any_allocator(void **state)
{
	unsigned freed = 0;
	calm_allocator rude = {alloc_and_set_errno, free_and_set_errno, &freed};
	(void)state;
	errno = ERRNO;
	void *a = calm__alloc(&rude, 8);
	void *b = calm__alloc_zero(&rude, 8);
	assert_int_equal(errno, ERRNO);
	calm__free(&rude, a);
	calm__free(&rude, b);
	assert_int_equal(errno, ERRNO);
	assert_int_equal(freed, 2);
}

static void a_heap_counts_its_bytes(void **state)
{
	struct suite_heap memory;
	struct calm__heap heap = {.allocator = {NULL, NULL, NULL}};
	void *blocks[20];
	uint64_t bytes = 0;
	(void)state;
	suite_heap_init(&memory);
	heap.allocator = memory.allocator;
	for (size_t i = 0; i < 20; i++) {
		blocks[i] = i % 2 ? calm__heap_alloc(&heap, i * 10 + 1)
				  : calm__heap_zero(&heap, i * 10 + 1);
		assert_non_null(blocks[i]);
		bytes += i * 10 + 1;
		assert_int_equal(calm__stripes_sum(&heap.bytes), bytes);
		assert_int_equal(memory.bytes, bytes);
	}
	suite_heap_fail(&memory, 1, true);
	assert_null(calm__heap_alloc(&heap, 100));
	assert_null(calm__heap_zero(&heap, 100));
	calm__heap_free(&heap, NULL, 100);
	assert_int_equal(calm__stripes_sum(&heap.bytes), bytes);
	for (size_t i = 0; i < 20; i++)
		calm__heap_free(&heap, blocks[i], i * 10 + 1);
	assert_int_equal(calm__stripes_sum(&heap.bytes), 0);
	assert_int_equal(memory.blocks, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain),
		cmocka_unit_test(the_users_own),
		cmocka_unit_test(errno_survives_any_allocator),
		cmocka_unit_test(a_heap_counts_its_bytes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
