/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Clear and drain: one atomic step that takes all of the map's content, and leaves it empty.
 *
 * Modelled: a map of two generations (tables) of one bucket with one key; two
 * writers of it; one drain, which swaps the generation and then takes S = epoch++, both under
 * the mutex of the opening snapshots, notes S as the old generation's end, and reads the old table
 * as a snapshot S would; one snapshot, which reads the oldest generation whose end is not before
 * it; a get. A writer locks its bucket, loads the epoch, and then looks whether its generation is
 * still the current one; else it begins again in the new one.
 *
 * Not modelled: drains at the same time (the mutex orders them), resizing under a drain, the freeing
 * of the old generation (as long as a snapshot <= its end is open, and a grace period).
 *
 * Checked against a map that changes in one instant: the drain takes effect at the swap, and with it,
 * just before, the writes in the old generation that have passed their look. The drain gets exactly
 * the map of that instant, so no write is lost or taken twice; snapshots and gets as in bucket.pml.
 * In the end the new generation is the map.
 *
 * Source: the generation is a sequence lock over tables; re-reading it after the lock is the usual
 * cure for a lock found through a pointer. Rejected: locking every bucket to clear them, which stops
 * all writers for as long as the table is long.
 *
 * mutation NO_LOOK: a writer does not look at the generation again
 * mutation LOOK_BEFORE_LOCK: a writer looks before it locks
 * mutation LOOK_BEFORE_EPOCH: a writer looks under the lock, but before it loads the epoch
 * mutation SWAP_LAST: the drain swaps after it incremented the epoch
 * mutation NO_MUTEX: a snapshot may open between the swap and the increment
 * mutation END_LATE: the old generation's end is noted after the mutex is let go
 * mutation NO_READER_WAIT: the drain and the snapshot copy a locked bucket
 * mutation CURRENT_ONLY: a snapshot reads the current generation
 * mutation NO_GET_WAIT: a get reads through a lock whatever the stamp
 * equivalent LOOK_BEFORE_EPOCH+DRAIN_FINAL: a drain that waits for each bucket's lock and takes what is
 *	there, whatever its stamp, need not care which epoch the last writers loaded
 */
#define WRITERS 2

byte epoch = 1;
byte newest;
bool mutex;
bool generation;
byte end[2] = 255; /* the last epoch of a generation, when that is known */

bool locked[2];
byte stamp[2];
byte value[2];

/* One snapshot: at most one image of a bucket. */
byte from[2], to[2], kept[2];

byte ideal, holds, drained;
byte opened; /* the snapshot's S */
byte due_epoch[WRITERS]; /* what a write without effect loaded; 0: nothing */
bool due[WRITERS], looked[WRITERS];
byte due_value[WRITERS];
byte may;
bool began_after; /* the get: after the opening */
byte done;

inline effect(v)
{
	ideal = v;
	if
	:: may -> may = may | (1 << v)
	:: else
	fi
}

inline settle(w)
{
	effect(due_value[w]);
	due[w] = false;
	due_value[w] = 0
}

inline load_epoch()
{
	e = epoch;
	due_epoch[w] = e
}

/* The look at the generation. Passed, the write is a write of this generation for good. */
inline look()
{
	d_step {
		passed = generation == g;
#ifdef NO_LOOK
		passed = true;
#endif
		if
		:: passed ->
			looked[w] = true;
			if
			:: due_epoch[w] && opened >= due_epoch[w] ->
				/*
				 * A snapshot that will hold the write opened while this look was still to
				 * come: the write has taken effect then. The lock has kept all else away.
				 */
				holds = v;
				if
				:: may && began_after -> may = 0; settle(w); may = 1 << v
				:: else -> settle(w)
				fi
			:: else
			fi
		:: else
		fi
	}
}

inline write(new)
{
	v = new;
	do
	:: g = generation;
#ifdef LOOK_BEFORE_LOCK
		d_step { due[w] = true; due_value[w] = v };
		look();
#endif
		atomic { !locked[g] -> locked[g] = true }
#ifndef LOOK_BEFORE_LOCK
		d_step {
			due[w] = true;
			due_value[w] = v;
#ifndef LOOK_BEFORE_EPOCH
			load_epoch();
#endif
		}
		look();
#endif
#if defined(LOOK_BEFORE_LOCK) || defined(LOOK_BEFORE_EPOCH)
		d_step { load_epoch() }
#endif
		if
		:: passed -> break
		:: else ->
			d_step { locked[g] = false; due[w] = false; due_epoch[w] = 0; looked[w] = false; due_value[w] = 0; e = 0 }
		fi
	od;
	skip;
	d_step {
		n = newest;
		n = (n && stamp[g] != e && n >= stamp[g] -> n : 0)
	}
	if
	:: stamp[g] == e
	:: else ->
		if
		:: n ->
			d_step {
				assert(to[g] == 0 || opened > to[g] || opened < from[g]);
				from[g] = stamp[g];
				to[g] = e - 1;
				kept[g] = value[g]
			}
		:: else
		fi;
		stamp[g] = e
	fi;
	d_step {
		value[g] = v;
		if
		:: due[w] -> settle(w)
		:: else
		fi;
		due_epoch[w] = 0;
		looked[w] = false
	}
	d_step { locked[g] = false; v = 0; e = 0; n = 0; g = 0; passed = false }
}

proctype writer(byte w)
{
	byte v, e, n;
	bool g, passed;
	write(1 + w);
	done++
}

proctype getter()
{
	byte st, v;
	bool h, g;
	d_step {
		g = generation;
		may = 1 << ideal;
		began_after = opened > 0
	}
again:
	h = locked[g];
#ifndef NO_GET_WAIT
	if
	:: h ->
		st = stamp[g];
		if
		:: st != epoch -> goto again
		:: else
		fi
	:: else
	fi;
#endif
	d_step { v = value[g]; assert(may & (1 << v)); may = 0; began_after = false; st = 0; v = 0; h = false; g = false }
}

inline read_bucket()
{
	skip;
again:
	h = locked[g];
	st = stamp[g];
	if
	:: st > S && !final ->
		d_step {
			assert(from[g] <= S && S <= to[g]);
			v = kept[g]
		}
#ifdef NO_READER_WAIT
	:: (st <= S || final) ->
#else
	:: (st <= S || final) && h -> goto again
	:: (st <= S || final) && !h ->
#endif
		v = value[g];
#ifndef NO_READER_WAIT
		if
		:: locked[g] -> goto again
		:: else
		fi;
#endif
		if
		:: stamp[g] != st -> goto again
		:: else
		fi
	fi
}

inline swap()
{
	d_step {
		i = 0;
		do
		:: i < WRITERS ->
			if
			:: due[i] && looked[i] -> settle(i)
			:: else
			fi;
			i++
		:: else -> break
		od;
		drained = ideal;
		effect(0);
		generation = 1;
		i = 0
	}
}

proctype drain(bool reads)
{
	byte S, st, v, i;
	bool h, g, final;
#ifdef DRAIN_FINAL
	final = true;
#endif
#ifndef NO_MUTEX
	atomic { !mutex -> mutex = true }
#endif
#ifdef SWAP_LAST
	d_step { S = epoch; epoch++ }
	swap();
#else
	swap();
	d_step { S = epoch; epoch++ }
#endif
#ifdef END_LATE
	mutex = false;
	end[0] = S;
#else
	end[0] = S;
#ifndef NO_MUTEX
	mutex = false;
#endif
#endif
	if
	:: reads ->
		read_bucket();
		assert(v == drained)
	:: else
	fi;
	d_step { S = 0; st = 0; v = 0; h = false };
	done++
}

proctype snapshot(bool reads)
{
	byte S, st, v, i;
	bool h, g, final;
#ifdef NO_MUTEX
	d_step { S = epoch; newest = S }
#else
	atomic { !mutex -> mutex = true; S = epoch; newest = S }
#endif
	d_step {
		i = 0;
		do
		:: i < WRITERS ->
			if
			:: due[i] && due_epoch[i] && looked[i] -> settle(i)
			:: else
			fi;
			i++
		:: else -> break
		od;
#ifdef NO_MUTEX
		S = epoch;
		newest = S;
#endif
		holds = ideal;
		opened = S;
		epoch++;
#ifndef NO_MUTEX
		mutex = false;
#endif
		i = 0
	}
	if
	:: !reads -> goto close
	:: else
	fi;
#ifdef CURRENT_ONLY
	g = generation;
#else
	g = S > end[0];
#endif
	read_bucket();
	assert(v == holds);
	d_step { st = 0; v = 0; h = false; g = false };
close:
	skip;
	d_step { newest = 0; done++; S = 0 }
}

init
{
	/* Reads change nothing: one observer at a time. */
	atomic {
		stamp[0] = 1;
		if
		:: run snapshot(true); run drain(false)
		:: run snapshot(false); run drain(true)
		:: run snapshot(false); run drain(false); run getter()
		fi;
		run writer(0);
		run writer(1)
	}
	done == 4;
	assert(value[1] == ideal)
}
