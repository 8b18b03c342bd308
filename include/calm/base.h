/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * What every part of calm shares: status codes, keys, allocators, read sections and deferred
 * release.
 *
 * No function of calm touches errno. Unless a comment says otherwise, every function may be called
 * from any thread, none from a signal handler, not even a load: the handler may have stopped its own
 * thread inside a lock, or half-way into a section. calm_version, calm_strerror and, as it says,
 * calm_debug_stack may.
 */
#ifndef CALM_BASE_H
#define CALM_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__) || defined(__clang__)
#define CALM_API __attribute__((visibility("default")))
#else
#define CALM_API
#endif

#define CALM_VERSION_MAJOR 0
#define CALM_VERSION_MINOR 1
#define CALM_VERSION_PATCH 0
#define CALM_VERSION_STRING "0.1.0"

/*
 * The version of the library that is loaded, which may be newer than the header compiled against. A
 * static string.
 */
CALM_API const char *calm_version(void);

/*
 * The outcome of a call, read by its sign: below 0 it failed and nothing changed; 0 it was done;
 * above 0 it was not done (or, for calm_map_swap, done the other way), and the status says what the
 * map held.
 */
typedef enum calm_status {
	CALM_OK = 0,
	CALM_ABSENT = 1,        /* the map holds no binding for the key */
	CALM_PRESENT = 2,       /* the map already holds one */
	CALM_CHANGED = 3,       /* the compare failed: it holds another value */
	CALM_ENOMEM = -1,       /* no memory */
	CALM_EINVAL = -2,       /* an argument is NULL or out of its range */
	CALM_EKEY = -3,         /* a key of the other kind, or longer than CALM_KEY_SIZE_MAX */
	CALM_EUNSUPPORTED = -4, /* this kind of map cannot do that */
	CALM_ESTALE = -5,       /* the snapshot was ousted to keep its map within snapshot_budget */
	CALM_EBUSY = -6         /* a snapshot is open, or the caller would wait for itself */
} calm_status;

/* A short English description, never NULL, static; "unknown status" for a number that is none. */
CALM_API const char *calm_strerror(calm_status status);

/*
 * A key: an integer ("word") or a string of bytes, passed by value in two registers. Of a byte key,
 * data and size say what they seem to. Of a word key, data carries the word and size is SIZE_MAX, a
 * size no byte key can have; read it with calm_key_word().
 */
typedef struct calm_key {
	const void *data;
	size_t size;
} calm_key;

/* The longest byte key, in bytes: 1 GiB - 1. A longer one is answered with CALM_EKEY. */
#define CALM_KEY_SIZE_MAX ((size_t)0x3fffffff)

#if UINTPTR_MAX < UINT64_MAX
#error "calm needs 64-bit pointers: a word key travels in one"
#endif

/* A word key: any integer, or an address; compared as an unsigned number. */
static inline calm_key calm_word(uint64_t word)
{
	calm_key key;
	key.data = (const void *)(uintptr_t)word;
	key.size = SIZE_MAX;
	return key;
}

/*
 * A byte key: any bytes, NULs too; ordered by memcmp, then length. The empty key is a key, and its
 * data may be NULL. A map copies the bytes in: the buffer is the caller's again when the call
 * returns.
 */
static inline calm_key calm_bytes(const void *data, size_t size)
{
	calm_key key;
	key.data = data;
	key.size = size;
	return key;
}

/* The bytes of a C string without its NUL, as a byte key. Text must not be NULL. */
static inline calm_key calm_str(const char *text)
{
	size_t size = 0;
	while (text[size] != '\0')
		size++;
	return calm_bytes(text, size);
}

/* Whether the key is a word key. */
static inline bool calm_key_is_word(calm_key key)
{
	return key.size == SIZE_MAX;
}

/* The integer of a word key, as a visitor gets it back. Of a byte key: meaningless. */
static inline uint64_t calm_key_word(calm_key key)
{
	return (uint64_t)(uintptr_t)key.data;
}

/*
 * Where a map takes its memory. alloc returns at least size bytes aligned for any type, or NULL,
 * which reaches the caller as CALM_ENOMEM; free gets back what alloc returned. Both are called from
 * any thread, at the same time, possibly while the map holds a lock, so neither may call calm. A
 * map's allocator must work until calm_map_destroy returned.
 */
typedef struct calm_allocator {
	void *(*alloc)(size_t size, void *context);
	void (*free)(void *pointer, void *context);
	void *context;
} calm_allocator;

/* Called once for each value or pointer whose time has come; see calm_retire. */
typedef void calm_release_fn(void *value, void *context);

/*
 * Read sections. Inside calm_read_begin() … calm_read_end() nothing that any thread retires (or a
 * map displaces) after the section began is released, so pointers that were loaded inside it stay
 * good until it ends. Sections nest; the outermost end ends it. A thread needs no registration: it
 * just starts, and just ends (ending a thread inside a section ends the section).
 *
 * Progress: wait-free but for a thread's first section, which takes a lock, and for an outermost
 * calm_read_end() of a thread that retired much, which releases what is due and, past the bound
 * that docs/memory-model.md states, waits for slower readers. Cost: 3 to 5 ns a pair as functions,
 * 1.2 ns inside a verb; no allocation. A section must be short: what is retired meanwhile stays in
 * memory. Never block in one; a section that others have waited for longer than 100 ms is a stall,
 * counted and named with its thread in calm_stats. At most 16384 threads can be attached at a time;
 * the next waits for one to exit.
 *
 * calm_read_end() without a calm_read_begin() is a bug in the caller: it is reported on stderr and
 * aborts. A fork() inside a section leaves the child inside it; every other thread's section does
 * not exist in the child. A map that another thread was using at that moment may stay locked in the
 * child, which must not touch it; others work.
 */
CALM_API void calm_read_begin(void);
CALM_API void calm_read_end(void);

/* Whether the calling thread is inside a read section. Wait-free. */
CALM_API bool calm_read_active(void);

/*
 * Releases a pointer later: calls release(pointer, context) exactly once, after every read section
 * that was open when calm_retire was called has ended, on any thread that is itself in no section
 * and holds no lock of calm. The caller must first have made the pointer unreachable for new
 * readers. The context must not be the address of a calm_map: destroying that map would release the
 * pointer with what is the map's own.
 *
 * CALM_OK. CALM_EINVAL: release is NULL. CALM_ENOMEM: no memory to remember it, and the caller is
 * inside a read section and cannot wait: the pointer is still the caller's. (Outside of one,
 * calm_retire then waits for the readers instead, and releases before it returns.) Progress:
 * lock-free but for a per-thread lock that only calm_read_wait() and other threads' shutdown
 * contend. Cost: amortized tens of ns. Outside a section it may run releases that are due, of any
 * thread.
 */
CALM_API calm_status calm_retire(void *pointer, calm_release_fn *release, void *context);

/*
 * Waits until every read section that was open at the call has ended and everything retired before
 * the call, by any thread, has been released. For tests and shutdown: it costs microseconds at
 * least, and blocks. The caller must hold no lock that a release function takes.
 *
 * CALM_OK. CALM_EBUSY: the caller is inside a read section, or inside a release function, and would
 * wait for itself.
 */
CALM_API calm_status calm_read_wait(void);

#ifdef __cplusplus
}
#endif

#endif
