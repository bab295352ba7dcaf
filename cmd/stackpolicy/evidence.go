package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"

	"stackpolicy/cmd/internal/cli"
	"stackpolicy/fleet"
	"stackpolicy/fleet/courier"
	"stackpolicy/fleet/enroll"
	"stackpolicy/fleet/spool"
	"stackpolicy/history"
	"stackpolicy/internal/regularfile"
	"stackpolicy/internal/text"
)

// isMember reports whether the account was enrolled in a fleet. A file that cannot be read is
// reported when evidence is sent.
func isMember(stateHome string) bool {
	_, err := enroll.ReadMember(stateHome)
	return !errors.Is(err, fs.ErrNotExist)
}

// sendEvidence sends what the memory got to the hub of the fleet, if the account is a member of
// one. It takes ten seconds at most.
func sendEvidence(ctx context.Context, stateHome string, store *history.Store) error {
	m, err := enroll.ReadMember(stateHome)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	key, err := fleet.ReadKey(fleet.KeyPath(stateHome))
	if err != nil {
		return err
	}
	_, err = courier.Send(ctx, courier.Options{
		Host:      spool.Host{Source: m.Source, Key: key, Store: store, Boot: bootID(), Program: cli.Version(), Around: releasesInBeat},
		StateHome: stateHome, Archive: m.ArchiveKey, Now: time.Now,
		Dial: func(ctx context.Context) (courier.Hub, error) {
			c, err := enroll.Connect(ctx, stateHome, m)
			if err != nil {
				return nil, err
			}
			return courier.Over(c), nil
		},
	})
	if err == nil {
		return nil
	}
	waiting, _ := spool.ReadWaiting(ctx, stateHome, m.Source, store) // without it the line says no number
	return &unsentError{waiting, err}
}

// releasesInBeat says how the account's releases are. What cannot be read is said by the facts.
func releasesInBeat(b *fleet.Beat) {
	c, err := cli.ReadConfig()
	if err != nil {
		return
	}
	h, err := cli.Releases(c)
	if h == nil || err != nil {
		return
	}
	if status, err := h.Status(time.Now()); err == nil {
		b.Release, b.Shadow = status.Beat(time.Now())
	}
}

// bootID returns the id of the boot (random(4)); "" if it is not known.
func bootID() string {
	id, err := regularfile.Read("/proc/sys/kernel/random/boot_id", 100)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(id))
}

// tellHub sends evidence after an audit, unless another unit does that. What goes wrong is said,
// and does not change the verdict.
func (a announcement) tellHub(ctx context.Context, stateHome string, errs io.Writer) {
	if a.spool != "" || !a.result.Remembered {
		return
	}
	if err := sendEvidence(ctx, stateHome, a.store); err != nil {
		fmt.Fprintf(errs, "stackpolicy: %s\n", text.CleanBlock(err.Error()))
	}
}
