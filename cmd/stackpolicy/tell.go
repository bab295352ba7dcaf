package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"stackpolicy/alerts"
	"stackpolicy/alerts/notify"
	"stackpolicy/audit"
	"stackpolicy/config"
	"stackpolicy/facts/collect"
	"stackpolicy/history"
	"stackpolicy/internal/text"
	"stackpolicy/report"
)

// maxStandings is more than stands on any machine that can still be mended.
const maxStandings = 10_000

// routes are made before an audit, so that a mistake in them is told at once.
func routes(c config.Config) ([]notify.Route, error) {
	list, err := c.Alerts.Routes(notify.Environment{
		Credentials: os.Getenv("CREDENTIALS_DIRECTORY"), Client: notify.Client(), Clock: time.Now,
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", config.Path(collect.ConfigHome()), err)
	}
	return list, nil
}

// telling is an audit whose findings go out.
type telling struct {
	store  *history.Store
	routes []notify.Route
	user   string
	result audit.Result
}

// tell sends alerts and writes the textfile. What does not work is said, and
// changes no verdict.
func (t telling) tell(ctx context.Context, textfile string, errs io.Writer) {
	for _, n := range t.alert(ctx) {
		fmt.Fprintf(errs, "stackpolicy: %s\n", text.CleanBlock(n.String()))
	}
	if textfile == "" {
		return
	}
	if err := t.writeTextfile(ctx, textfile); err != nil {
		fmt.Fprintf(errs, "stackpolicy: %s\n", text.CleanBlock(err.Error()))
	}
}

func (t telling) alert(ctx context.Context) []alerts.Notice {
	now := time.Now()
	standings, err := t.store.Standings(ctx, now.Add(-alerts.Memory), maxStandings)
	if err != nil {
		return []alerts.Notice{{Text: err.Error()}}
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return alerts.Run(ctx, alerts.Options{
		Outbox: t.store, Routes: t.routes, Standings: standings,
		Steps: steps(t.result.Policies.Invariants()), Host: host, User: t.user, Now: now,
	})
}

func (t telling) writeTextfile(ctx context.Context, path string) error {
	around, err := t.around(ctx)
	if err != nil {
		return err
	}
	return notify.WriteTextfile(path, func(w io.Writer) error {
		return report.WriteOpenMetrics(w, t.result.Report, report.Options{Around: around})
	})
}

func (t telling) around(ctx context.Context) (a report.Around, err error) {
	now := time.Now()
	a = report.Around{User: t.user, Duration: t.result.Duration}
	if a.LastSuccess, err = alerts.LastSuccess(ctx, t.store, now); err != nil {
		return a, err
	}
	if a.Waiting, err = alerts.Waiting(ctx, t.store, now); err != nil {
		return a, err
	}
	a.Dropped, err = t.store.Dropped(ctx)
	return a, err
}
