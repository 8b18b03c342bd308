/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Insert and delete: slots that are freed and filled again under a running get.
 *
 * Modelled: one bucket with one slot or two, {lock, occupied bits, version} in one header word,
 * stamp, slots of key and value, one image; three keys; a writer that deletes A and inserts B (or
 * does both under one lock, as when a key moves up from the overflow), a writer that updates A or
 * inserts C; a get of any key; one snapshot. A slot's key and value are stored and loaded apart.
 *
 * Not modelled: several buckets, several snapshots (bucket.pml); the version's wrap; tags; the
 * overflow itself; key records; memory orders (c11/).
 *
 * Checked as in bucket.pml, against a map that changes in one instant: an insert and a delete take
 * effect at the header store that shows them, an update at the value's store, or at the opening of
 * the first snapshot with S >= their epoch if that comes first. All values differ, so key A's value
 * for key B is found too. A snapshot's reading is the map at its opening, key for key.
 *
 * Source: a version beside the lock bit, as in Fan et al., "MemC3", NSDI 2013, section 3.2, here
 * only for freed slots. Rejected: a version that changes with updates too; a get would start again
 * whenever a neighbour is updated.
 *
 * mutation NO_BUMP_DELETE+NO_BUMP_INSERT: the version never changes
 * mutation NO_GET_RECHECK: a get does not look at the header again
 * mutation ONE_STORE: under one lock a slot is freed and filled again with no header store between
 * mutation OCCUPIED_FIRST: the occupied bit shows before the slot is filled
 * mutation NO_GET_WAIT: a get reads through a lock whatever the stamp
 * mutation DELETE_UNSTAMPED: a delete neither saves nor stamps
 * mutation SAVE_AFTER: the image is taken after the change
 * mutation NO_READER_WAIT: a snapshot's reader copies a locked bucket
 * equivalent NO_BUMP_DELETE: the header still changes by the occupied bit when the slot is freed and
 *	by the version when it is occupied again: a get cannot find it as it was
 * equivalent NO_BUMP_INSERT: the same, the version changing when the slot is freed
 * equivalent VALUE_FIRST: what is in a slot without its occupied bit is not looked at
 */
#define SLOTS 2
#define KEYS 4 /* 1 A, 2 B, 3 C; 0 none */
#define WRITERS 2
#define VERSION 8
#define BITS 6
#define bit(s) (2 << (s))

byte epoch = 1;
byte newest;

byte header = 2; /* lock 1, occupied 2 and 4, version from 8 on */
byte stamp = 1;
byte key[SLOTS], value[SLOTS];
byte kept[KEYS];
bool saved;

byte ideal[KEYS], holds[KEYS];
/* What a writer has an epoch for, but has not shown: up to two effects. */
byte due_key[WRITERS * 2], due_value[WRITERS * 2];
byte may, may_key;

inline effect(k, v)
{
	ideal[k] = v;
	if
	:: may && may_key == k -> may = may | (1 << v)
	:: else
	fi
}

inline take_effect(which)
{
	if
	:: due_key[which] -> effect(due_key[which], due_value[which]); due_key[which] = 0; due_value[which] = 0
	:: else
	fi
}

/* Where a key is, or SLOTS. */
inline find(k, s)
{
	s = 0;
	do
	:: s < SLOTS && !((header & bit(s)) && key[s] == k) -> s++
	:: else -> break
	od
}

inline find_free(s)
{
	s = 0;
	do
	:: s < SLOTS && (header & bit(s)) -> s++
	:: else -> break
	od
}

inline save()
{
	d_step {
		i = 0;
		do
		:: i < SLOTS ->
			if
			:: header & bit(i) -> kept[key[i]] = value[i]
			:: else
			fi;
			i++
		:: else -> break
		od;
		i = 0;
		saved = true
	}
}

inline stamp_it()
{
	if
	:: stamp == e
	:: else ->
#ifndef SAVE_AFTER
		if
		:: newest && newest >= stamp -> save()
		:: else
		fi;
#endif
		stamp = e
	fi
}

inline lock()
{
	atomic { !(header & 1) -> header = header | 1 }
}

inline fill(k, v)
{
#ifdef OCCUPIED_FIRST
	header = header | bit(s);
#endif
#ifdef VALUE_FIRST
	value[s] = v;
	key[s] = k;
#else
	key[s] = k;
	value[s] = v;
#endif
}

/* The header store that shows a slot as full or free, perhaps with the lock kept. */
inline show_full(lock_bit)
{
	d_step {
#ifdef NO_BUMP_INSERT
		header = (header & ~1) | bit(s) | lock_bit;
#else
		header = ((header & ~1) | bit(s) | lock_bit) + VERSION;
#endif
		take_effect(2 * w + 1)
	}
}

inline show_free(lock_bit)
{
	d_step {
#ifdef NO_BUMP_DELETE
		header = (header & ~1 & ~bit(s)) | lock_bit;
#else
		header = ((header & ~1 & ~bit(s)) | lock_bit) + VERSION;
#endif
		take_effect(2 * w)
	}
}

inline save_late()
{
#ifdef SAVE_AFTER
	if
	:: newest && !saved && e > 1 -> save()
	:: else
	fi
#else
	skip
#endif
}

inline delete(k)
{
	lock();
	d_step {
		e = epoch;
		find(k, s);
		if
		:: s < SLOTS -> due_key[2 * w] = k
		:: else
		fi
	}
	if
	:: s < SLOTS ->
#ifndef DELETE_UNSTAMPED
		stamp_it();
#endif
		save_late();
		show_free(0)
	:: else -> header = header & ~1
	fi;
	d_step { e = 0; s = 0 }
}

inline insert(k, v)
{
	lock();
	d_step {
		e = epoch;
		find_free(s);
		if
		:: s < SLOTS -> due_key[2 * w + 1] = k; due_value[2 * w + 1] = v
		:: else
		fi
	}
	if
	:: s < SLOTS ->
		stamp_it();
		fill(k, v);
		save_late();
		show_full(0)
	:: else -> header = header & ~1
	fi;
	d_step { e = 0; s = 0 }
}

/* One key goes and another takes its slot, under one lock. */
inline replace(k, other, v)
{
	lock();
	d_step {
		e = epoch;
		find(k, s);
		if
		:: s < SLOTS ->
			due_key[2 * w] = k;
			due_key[2 * w + 1] = other;
			due_value[2 * w + 1] = v
		:: else
		fi
	}
	if
	:: s < SLOTS ->
		stamp_it();
#ifdef ONE_STORE
		d_step { take_effect(2 * w) }
#else
		show_free(1);
#endif
		fill(other, v);
		save_late();
		show_full(0)
	:: else -> header = header & ~1
	fi;
	d_step { e = 0; s = 0 }
}

inline update(k, v)
{
	lock();
	d_step {
		e = epoch;
		find(k, s);
		if
		:: s < SLOTS -> due_key[2 * w + 1] = k; due_value[2 * w + 1] = v
		:: else
		fi
	}
	if
	:: s < SLOTS ->
		stamp_it();
		d_step { value[s] = v; take_effect(2 * w + 1) }
		save_late()
	:: else
	fi;
	header = header & ~1;
	d_step { e = 0; s = 0 }
}

proctype writer(byte w)
{
	byte e, s, i;
	if
	:: w == 0 -> delete(1); insert(2, 2)
	:: w == 0 -> replace(1, 2, 2); delete(2)
	:: w == 1 -> update(1, 3)
	:: w == 1 -> insert(3, 4)
	fi
}

proctype getter()
{
	byte k, h, st, s, v, found;
	bool begun;
	if
	:: k = 1
	:: k = 2
	:: k = 3
	fi;
again:
	skip;
	d_step {
		h = header;
		if
		:: !begun -> may = 1 << ideal[k]; may_key = k; begun = true
		:: else
		fi;
		s = 0;
		found = 0
	}
#ifndef NO_GET_WAIT
	if
	:: h & 1 ->
		st = stamp;
		if
		:: st != epoch -> goto again
		:: else
		fi
	:: else
	fi;
#endif
	do
	:: s < SLOTS && (h & bit(s)) ->
		if
		:: key[s] == k -> found = value[s]; s = SLOTS
		:: else -> s++
		fi
	:: s < SLOTS && !(h & bit(s)) -> s++
	:: s == SLOTS -> break
	od;
	skip;
	d_step {
#ifdef NO_GET_RECHECK
		v = false;
#else
		v = (header & ~1) != (h & ~1);
#endif
		if
		:: !v -> assert(may & (1 << found)); may = 0; may_key = 0
		:: else
		fi
	}
	if
	:: v -> goto again
	:: else
	fi
}

proctype snapshot(bool reads)
{
	byte S, h, st, s, i, copy[KEYS];
	S = epoch;
	newest = S;
	d_step {
		i = 0;
		do
		:: i < 2 * WRITERS -> take_effect(i); i++
		:: else -> break
		od;
		i = 1;
		do
		:: i < KEYS -> holds[i] = ideal[i]; i++
		:: else -> break
		od;
		i = 0;
		epoch++
	}
	if
	:: !reads -> goto close
	:: else
	fi;
again:
	skip;
	d_step {
		h = header;
		i = 1;
		do
		:: i < KEYS -> copy[i] = 0; i++
		:: else -> break
		od;
		i = 0
	}
	st = stamp;
	if
	:: st > S ->
		d_step {
			assert(saved);
			i = 1;
			do
			:: i < KEYS -> copy[i] = kept[i]; i++
			:: else -> break
			od;
			i = 0
		}
#ifndef NO_READER_WAIT
	:: st <= S && (h & 1) -> goto again
#else
	:: false
#endif
	:: else ->
		do
		:: i < SLOTS && (h & bit(i)) ->
			s = key[i];
			copy[s] = value[i];
			i++
		:: i < SLOTS && !(h & bit(i)) -> i++
		:: i == SLOTS -> break
		od;
		if
		:: header != h -> goto again
		:: else
		fi;
		if
		:: stamp != st -> goto again
		:: else
		fi
	fi;
	d_step {
		i = 1;
		do
		:: i < KEYS -> assert(copy[i] == holds[i]); i++
		:: else -> break
		od;
		i = 0
	}
close:
	newest = 0
}

init
{
	/* Reads change nothing: one observer at a time. */
	atomic {
		d_step {
			key[0] = 1;
			value[0] = 1;
			ideal[1] = 1
		}
		run writer(0);
		run writer(1);
		if
		:: run snapshot(true)
		:: run snapshot(false); run getter()
		fi
	}
}
