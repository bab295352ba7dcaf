package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"stackpolicy/fleet/enroll"
	"stackpolicy/fleet/link"
	"stackpolicy/fleet/spool"
	"stackpolicy/history"
	"stackpolicy/internal/text"
	"stackpolicy/report/daily"
)

// memberTime bounds how long it is read what waits for the hub.
const memberTime = 2 * time.Second

// memberOf returns what the account itself knows of its fleet; nil if it is a member of none. What
// cannot be read is said in it, and is no error. Without a memory, store is nil.
func memberOf(ctx context.Context, stateHome string, store *history.Store) *daily.Member {
	m, err := enroll.ReadMember(stateHome)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return &daily.Member{Problem: err.Error()}
	}
	of := &daily.Member{Source: m.Source, Enrolled: m.Enrolled}
	for _, u := range m.URLs {
		of.Hub = append(of.Hub, strings.TrimPrefix(u, "tls://"))
	}
	ctx, cancel := context.WithTimeout(ctx, memberTime)
	defer cancel()
	if of.Waiting, err = spool.ReadWaiting(ctx, stateHome, m.Source, store); err != nil {
		of.Problem = err.Error()
	}
	return of
}

// unsentError is why evidence was not sent, in one line with how much waits since when.
type unsentError struct {
	spool.Waiting
	why error
}

func (e *unsentError) Unwrap() error { return e.why }

func (e *unsentError) Error() string {
	why := strings.ReplaceAll(e.why.Error(), "\n", "; ")
	var away *link.UnreachedError
	if errors.As(e.why, &away) && !errors.Is(e.why, link.ErrPin) && !errors.Is(e.why, link.ErrRefused) {
		why = away.Brief()
	}
	if e.Audits == 0 {
		return "evidence for the hub waits: " + why
	}
	return fmt.Sprintf("%s for the hub since %s: %s", text.Count(int(e.Audits), "audit waits", "audits wait"), e.Since.UTC().Format("2006-01-02 15:04 UTC"), why)
}
