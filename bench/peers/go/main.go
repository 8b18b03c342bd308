// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The calm authors

// The far end of bench/peers/child.h for Go's sync.Map. Keys are boxed before anything is measured,
// values as they are put: what the interface demands.
package main

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"math/rand"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	keyMask   = 1<<62 - 1
	indexMask = 1<<28 - 1
	batch     = 256
)

type stream struct {
	ops  []byte
	keys []any
}

type tally struct {
	before, ops, hits, wrong, puts, inserts, inserted, erases, erased uint64
	_                                                                 [64]byte
}

var (
	table  *sync.Map
	boxes  []any   // by index
	last   *stream // the one that ran last, and its number
	number int
	seed   int64
	phase  atomic.Int32
)

func read(path string, count int) (*stream, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	bytes, err := syscall.Mmap(int(file.Fd()), 0, count*8, syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		return nil, err
	}
	defer syscall.Munmap(bytes)
	s := &stream{make([]byte, count), make([]any, count)}
	for i := range s.ops {
		word := binary.LittleEndian.Uint64(bytes[i*8:])
		key := word & keyMask
		index := int(word & indexMask)
		if index >= len(boxes) {
			boxes = append(boxes, make([]any, index+1+len(boxes)-len(boxes)/2)...)
		}
		if boxes[index] == nil {
			boxes[index] = key
		}
		s.ops[i] = byte(word >> 62)
		s.keys[i] = boxes[index]
	}
	return s, nil
}

// Where it ended. flip: inserts are erases and erases inserts.
func (t *tally) batch(s *stream, at, count int, flip bool) int {
	for i := 0; i < count; i++ {
		key, op := s.keys[at], s.ops[at]
		if flip && op > 1 {
			op = 5 - op
		}
		switch op {
		case 0:
			if found, ok := table.Load(key); ok {
				t.hits++
				if (found.(uint64)^key.(uint64))<<2 != 0 {
					t.wrong++
				}
			}
		case 1:
			t.puts++
			table.Store(key, key.(uint64)|uint64(i)<<62)
		case 2:
			t.inserts++
			if _, loaded := table.LoadOrStore(key, key.(uint64)|uint64(i)<<62); !loaded {
				t.inserted++
			}
		default:
			t.erases++
			if _, loaded := table.LoadAndDelete(key); loaded {
				t.erased++
			}
		}
		if at++; at == len(s.ops) {
			at = 0
		}
	}
	t.ops += uint64(count)
	return at
}

func run(s *stream, threads int, warm, ns time.Duration) string {
	tallies := make([]tally, threads)
	var done sync.WaitGroup
	phase.Store(0)
	for i := range tallies {
		done.Add(1)
		seed++
		go func(t *tally, random *rand.Rand) {
			defer done.Done()
			at := random.Intn(len(s.ops))
			for phase.Load() == 0 {
				runtime.Gosched()
			}
			for now := phase.Load(); now != 3; now = phase.Load() {
				if now == 1 {
					t.before = t.ops
				}
				at = t.batch(s, at, batch, random.Int63()&1 != 0)
			}
		}(&tallies[i], rand.New(rand.NewSource(seed)))
	}
	phase.Store(1)
	time.Sleep(warm)
	began := time.Now()
	phase.Store(2)
	time.Sleep(ns)
	elapsed := time.Since(began)
	phase.Store(3)
	done.Wait()
	var sum tally
	for i := range tallies {
		t := &tallies[i]
		sum.before += t.before
		sum.ops += t.ops
		sum.hits += t.hits
		sum.wrong += t.wrong
		sum.puts += t.puts
		sum.inserts += t.inserts
		sum.inserted += t.inserted
		sum.erases += t.erases
		sum.erased += t.erased
	}
	return fmt.Sprint(elapsed.Nanoseconds(), sum.ops-sum.before, sum.ops, sum.hits, sum.wrong,
		sum.puts, sum.inserts, sum.inserted, sum.erases, sum.erased)
}

func size() (n int) {
	table.Range(func(_, _ any) bool {
		n++
		return true
	})
	return
}

func heap() uint64 {
	last, boxes = nil, nil
	var stats runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

func main() {
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		var path string
		var count, id, threads int
		var warm, ns int64
		answer := "ok"
		command, rest, _ := strings.Cut(in.Text(), " ")
		switch command {
		case "create":
			table = new(sync.Map)
		case "fill":
			fmt.Sscan(rest, &path, &count)
			s, err := read(path, count)
			if err != nil {
				answer = err.Error()
				break
			}
			new(tally).batch(s, 0, count, false)
		case "run":
			fmt.Sscan(rest, &path, &count, &id, &threads, &warm, &ns)
			if last == nil || number != id {
				s, err := read(path, count)
				if err != nil {
					answer = err.Error()
					break
				}
				last, number = s, id
			}
			answer = run(last, threads, time.Duration(warm), time.Duration(ns))
		case "size":
			answer = fmt.Sprint(size())
		case "bytes":
			answer = fmt.Sprint(heap())
		default:
			answer = "what"
		}
		fmt.Println(answer)
	}
}
